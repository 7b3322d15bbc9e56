package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;
import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.nio.file.Path;

/// The kinds of guest whose images are measured: what their VM is, how their memory gets its content, and what
/// proves afterwards that it is intact.
sealed interface BenchGuest {
    /// @param name `cache`, `demo` or `debian`
    static BenchGuest named(String name, BenchEngine bench) throws IOException, InterruptedException {
        return switch (name) {
            case "cache" -> new Probed(GuestImage.locate(523, 0), bench, 341);
            case "demo" -> new Probed(GuestImage.locate(), bench, 512);
            case "debian" -> new Debian(GuestImage.locateDebian(), bench);
            default ->
                throw new IllegalArgumentException("guest is '" + name + "', 'cache', 'demo' and 'debian' are allowed");
        };
    }

    /// {@return the golden base of its disk}
    Path disk();

    VmRequest request(String memory);

    /// Waits until the started guest's memory is as it is to be measured.
    void prepare() throws IOException, InterruptedException;

    /// Fails unless the memory is intact, where the guest can tell.
    void verify() throws IOException, InterruptedException;

    /// The project's own guest: page cache of seeded files, and anonymous memory with a pattern.
    ///
    /// @param patternMebibytes a quarter of whose bytes do not compress
    record Probed(GuestImage image, BenchEngine bench, int patternMebibytes) implements BenchGuest {
        private static final long SEED = 42;

        @Override
        public Path disk() {
            return image.disk();
        }

        @Override
        public VmRequest request(String memory) {
            return GuestVm.withoutSandbox(GuestVm.request(image, VM, memory));
        }

        @Override
        public void prepare() throws IOException, InterruptedException {
            try (GuestProbe probe = bench.probe()) {
                probe.ping("booted", LONG);
                probe.read(LONG);
                probe.fill("pattern", SEED, patternMebibytes, 25, LONG);
            }
        }

        @Override
        public void verify() throws IOException, InterruptedException {
            try (GuestProbe probe = bench.probe()) {
                probe.verify("pattern", LONG);
                probe.read(LONG);
            }
        }
    }

    /// A full Debian, which says on its serial console that it has booted and compiled something.
    record Debian(GuestImage image, BenchEngine bench) implements BenchGuest {
        private static final int CPUS = 2;

        @Override
        public Path disk() {
            return image.disk();
        }

        @Override
        public VmRequest request(String memory) {
            return GuestVm.withoutSandbox(GuestVm.requestWithoutProbe(image, VM, memory))
                    .withCpus(CPUS);
        }

        @Override
        public void prepare() throws IOException, InterruptedException {
            SerialConsole.of(bench.engine.home(), VM).awaitReady();
        }

        @Override
        public void verify() {
            // Nothing in it knows what its memory is to hold.
        }
    }
}
