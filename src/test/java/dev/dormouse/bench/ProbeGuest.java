package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The project's guest in a QEMU of its own, started without the engine: these tests are of the guest.
final class ProbeGuest implements AutoCloseable {
    private final Process qemu;
    private final Path directory;

    private ProbeGuest(Process qemu, Path directory) {
        this.qemu = qemu;
        this.directory = directory;
    }

    static ProbeGuest boot(GuestImage image, Path directory) throws IOException {
        List<String> command = List.of(
                "qemu-system-x86_64",
                "-machine",
                "q35,accel=tcg",
                "-cpu",
                "max",
                "-smp",
                "1",
                "-m",
                "512",
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
                "-kernel",
                image.kernel().toString(),
                "-initrd",
                image.initrd().toString(),
                "-append",
                image.append(),
                "-serial",
                "file:" + directory.resolve("serial"),
                "-drive",
                "file=" + image.disk() + ",format=raw,if=virtio,snapshot=on",
                "-device",
                "virtio-serial-pci",
                "-chardev",
                "socket,id=rate,path=" + directory.resolve("rate") + ",server=on,wait=off",
                "-device",
                "virtserialport,chardev=rate,name=dormouse.probe.rate",
                "-chardev",
                "socket,id=control,path=" + directory.resolve("control") + ",server=on,wait=off",
                "-device",
                "virtserialport,chardev=control,name=dormouse.probe.control");
        Process qemu = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("qemu.log").toFile())
                .start();
        return new ProbeGuest(qemu, directory);
    }

    GuestProbe connect() throws IOException {
        return GuestProbe.connect(directory.resolve("rate"), directory.resolve("control"), Duration.ofSeconds(10));
    }

    boolean exits(Duration timeout) throws InterruptedException {
        return qemu.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// What QEMU and the guest's console said, for a failure.
    String logs() throws IOException {
        StringBuilder text = new StringBuilder();
        for (String name : List.of("qemu.log", "serial")) {
            Path log = directory.resolve(name);
            text.append(Files.exists(log) ? Files.readString(log) : "");
        }
        return text.toString();
    }

    @Override
    public void close() throws IOException {
        qemu.destroyForcibly();
        try {
            qemu.waitFor(10, TimeUnit.SECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
