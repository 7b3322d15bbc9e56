package dev.dormouse.bench;

import dev.dormouse.engine.Home;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.engine.VmRequest.DiskRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// A VM that runs the project's own guest: what to ask the engine for, and the way to its probe.
public final class GuestVm {
    private static final List<String> PROBE_PORTS = List.of(
            "-device", "virtio-serial-pci,id=probe-bus",
            "-chardev", "socket,id=probe-rate,server=on,wait=off,path={runtime}/rate",
            "-device", "virtserialport,bus=probe-bus.0,chardev=probe-rate,name=dormouse.probe.rate",
            "-chardev", "socket,id=probe-control,server=on,wait=off,path={runtime}/control",
            "-device", "virtserialport,bus=probe-bus.0,chardev=probe-control,name=dormouse.probe.control");

    private GuestVm() {}

    /// {@return a request for a VM with the guest's disk as golden base, else all defaults}
    public static VmRequest request(GuestImage guest, String name, String memory) {
        return requestWithoutProbe(guest, name, memory).withExtraArguments(PROBE_PORTS);
    }

    /// {@return the same for a guest in which QEMU's agent runs}
    public static VmRequest requestWithAgent(GuestImage guest, String name, String memory) {
        return request(guest, name, memory)
                .withKernel(guest.kernel().toString(), guest.initrdWithAgent().toString(), guest.append())
                .withGuestAgent(true);
    }

    /// {@return the same for a guest in which there is no probe}
    static VmRequest requestWithoutProbe(GuestImage guest, String name, String memory) {
        return VmRequest.named(name)
                .withMemory(memory)
                .withKernel(guest.kernel().toString(), guest.initrd().toString(), guest.append())
                .withDisks(List.of(new DiskRequest(null, guest.disk().toString(), null)));
    }

    /// {@return the same without QEMU's sandbox, in which it could not write a migration through a program}
    public static VmRequest withoutSandbox(VmRequest request) {
        var arguments = new ArrayList<String>();
        if (request.extraArguments() != null) {
            arguments.addAll(request.extraArguments());
        }
        arguments.addAll(List.of("-sandbox", "off"));
        return request.withExtraArguments(arguments);
    }

    /// Connects to the probe of a VM as soon as its QEMU listens.
    public static GuestProbe connect(Home home, String name, Duration timeout) throws IOException {
        Path sockets = home.sockets(name);
        return GuestProbe.connect(sockets.resolve("rate"), sockets.resolve("control"), timeout);
    }
}
