package dev.dormouse.bench;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.QemuTools;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// An engine in this process with a home of its own and one VM, for a bench. All of it is gone when it is
/// closed.
final class BenchEngine implements AutoCloseable {
    static final String VM = "bench";
    static final Duration LONG = Duration.ofMinutes(3);
    final Path folder;
    final Engine engine;

    /// @param qemu found by the environment if null
    BenchEngine(@Nullable Path qemu) throws IOException {
        folder = Files.createTempDirectory(Path.of(System.getProperty("dormouse.bench", "/var/tmp")), "dormouse-bench");
        engine = new Engine(Home.at(folder.resolve("home"), null), QemuTools.locate(qemu));
    }

    GuestProbe probe() throws IOException {
        return GuestVm.connect(engine.home(), VM, LONG);
    }

    static void resetPeakHeap() {
        ManagementFactory.getMemoryPoolMXBeans().forEach(MemoryPoolMXBean::resetPeakUsage);
    }

    /// {@return the sum of the peaks of all pools since the reset, which is at least the peak of the heap}
    static long peakHeapBytes() {
        return ManagementFactory.getMemoryPoolMXBeans().stream()
                .filter(pool -> pool.getType() == MemoryType.HEAP)
                .mapToLong(pool -> pool.getPeakUsage().getUsed())
                .sum();
    }

    /// Ends a VM, whatever its state, and removes it with its memory.
    void remove(String vm) throws IOException {
        if (engine.status(vm).pid() != null) {
            engine.stop(vm, true, LONG, OperationListener.NONE);
        }
        engine.remove(vm, true);
    }

    @Override
    public void close() throws IOException {
        try {
            for (String vm : engine.names().reversed()) { // Clones sort behind what they were made of.
                remove(vm);
            }
        } finally {
            delete(engine.home().runtime());
            delete(folder);
        }
    }

    /// Deletes a folder with all that is in it; an error is only reported, so that it does not hide an earlier one.
    static void deleteQuietly(Path tree) {
        try {
            delete(tree);
        } catch (IOException | UncheckedIOException e) {
            System.err.printf("dormouse: %s: not removed whole, remove it by hand: %s%n", tree, e);
        }
    }

    private static void delete(Path tree) throws IOException {
        if (!Files.exists(tree)) {
            return;
        }
        try (Stream<Path> files = Files.walk(tree)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(file);
            }
        }
    }
}
