package dev.dormouse.engine;

import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// An engine in a home of its own, with the project's guest. Whatever QEMU is left is ended on close.
final class EngineFixture implements AutoCloseable {
    static final Duration LONG = Duration.ofMinutes(2);
    final Home home;
    final Engine engine;
    final GuestImage guest;

    EngineFixture(Path folder) throws IOException, InterruptedException {
        this(folder, null);
    }

    EngineFixture(Path folder, @Nullable Path qemu) throws IOException, InterruptedException {
        home = Home.at(folder.resolve("home"), null);
        engine = new Engine(home, QemuTools.locate(qemu));
        guest = GuestImage.locate();
    }

    /// {@return QEMU 10.0 if it was unpacked beside the system's}
    static Optional<Path> qemu10() {
        String folder = System.getProperty("dormouse.qemu10", "");
        return folder.isEmpty() ? Optional.empty() : Optional.of(Path.of(folder, "bin", "qemu-system-x86_64"));
    }

    GuestProbe probe(String name) throws IOException {
        return GuestVm.connect(home, name, LONG);
    }

    @Override
    public void close() throws IOException {
        for (String name : home.vmNames()) {
            Vm vm = Vm.open(home, name);
            var qemu = vm.qemu(vm.record());
            if (qemu.isPresent()) {
                qemu.get().kill();
                qemu.get().awaitExit(Duration.ofSeconds(10));
            }
        }
        Removal.deleteFolder(home.runtime());
    }

    static long countFiles(Path folder, String suffix) throws IOException {
        if (!Files.exists(folder)) {
            return 0;
        }
        try (var files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().endsWith(suffix))
                    .count();
        }
    }
}
