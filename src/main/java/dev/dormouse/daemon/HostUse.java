package dev.dormouse.daemon;

import dev.dormouse.catalog.HostSample;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmStatus;
import io.avaje.jsonb.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

/// How the VMs of a home use the host at one moment. VMs whose files cannot be read are not counted, but as VMs.
@Json
record HostUse(int vms, int awakeVms, long awakeBytes, long givenBackBytes, long imageBytes) {
    private static final Path MEMORY = Path.of("/proc/meminfo");
    private static final Set<String> WITHOUT_MEMORY = Set.of("stopped", "suspended", "crashed", "interrupted");

    /// {@return whether a VM in that state has its memory on the host}
    static boolean isAwake(VmStatus vm) {
        return !WITHOUT_MEMORY.contains(vm.state());
    }

    static HostUse of(Engine engine) throws IOException {
        int vms = 0;
        int awake = 0;
        long awakeBytes = 0;
        long givenBack = 0;
        long images = 0;
        for (String name : engine.names()) {
            vms++;
            VmStatus vm;
            try {
                vm = engine.status(name);
            } catch (IOException _) {
                continue; // Gone since, or damaged, which the list of VMs says.
            }
            if (isAwake(vm)) {
                awake++;
                awakeBytes += vm.memoryBytes();
            } else if (vm.state().equals("suspended")) {
                givenBack += vm.memoryBytes();
                images += vm.imageBytes() == null ? 0 : vm.imageBytes();
            }
        }
        return new HostUse(vms, awake, awakeBytes, givenBack, images);
    }

    HostSample sample(String time) {
        return new HostSample(time, vms, awakeVms, awakeBytes, givenBackBytes, imageBytes);
    }

    /// {@return the memory of the host that can be had without taking it from anybody; 0 if the kernel does not
    /// say}
    static long availableBytes() {
        try (Stream<String> lines = Files.lines(MEMORY)) {
            return lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
                    .findFirst()
                    .orElse(0);
        } catch (IOException _) {
            return 0;
        }
    }

    /// {@return how much time of processors a process has used; empty if there is no such process}
    static OptionalLong cpuNanos(long pid) {
        return ProcessHandle.of(pid)
                .flatMap(process -> process.info().totalCpuDuration())
                .map(used -> OptionalLong.of(used.toNanos()))
                .orElse(OptionalLong.empty());
    }
}
