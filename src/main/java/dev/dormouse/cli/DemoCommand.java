package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.bench.Demo;
import dev.dormouse.bench.DemoOptions;
import dev.dormouse.bench.DemoReport;
import dev.dormouse.engine.MemorySize;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `dormouse demo`.
@Command(
        name = "demo",
        description =
                "Boots a guest, suspends it, resumes it lazily, lets it verify itself, and compares with QEMU's own"
                        + " save and restore of the same VM.",
        footer = {
            "",
            "Examples:",
            "  dormouse demo                     a guest with 4 GiB of memory",
            "  dormouse demo --memory 1G         a smaller one",
            "  dormouse demo --json              ends with one line of JSON"
        })
final class DemoCommand implements Callable<Integer> {
    private static final int END_TRIES = 50;
    private static final int END_TRY_MILLIS = 200;

    @Option(
            names = "--memory",
            paramLabel = "SIZE",
            defaultValue = "4G",
            description = "Memory of the guest (${DEFAULT-VALUE}).")
    private String memory = "4G";

    @Option(
            names = "--memory-backend",
            paramLabel = "NAME",
            defaultValue = "anonymous",
            description = "anonymous or memfd (${DEFAULT-VALUE}).")
    private String memoryBackend = "anonymous";

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print the figures as one line of JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        DemoOptions options = DemoOptions.DEFAULT
                .withMemory(memory, MemorySize.parse("--memory", memory))
                .withMemoryBackend(memoryBackend)
                .withQemu(((Main) spec.root().userObject()).qemu());
        Path folder = Files.createTempDirectory(cache(), "demo-");
        long start = System.nanoTime();
        try (var demo = new Demo(options, folder, text -> step(start, text))) {
            var ended = new CountDownLatch(1);
            Thread worker = Thread.currentThread();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> cleanUp(demo, folder, worker, ended)));
            try {
                DemoReport report = demo.run();
                System.out.println(json ? Json.writeWithNulls(report) : DemoTable.of(report));
                return report.guestMemoryIntact() && report.guestFilesIntact() ? 0 : 1;
            } catch (InterruptedException _) {
                throw new InterruptedIOException("demo: interrupted, its QEMU and its files are removed");
            } finally {
                ended.countDown();
            }
        }
    }

    private static void step(long startNanos, String text) {
        System.err.printf("%5.1f s  %s%n", (System.nanoTime() - startNanos) / 1e9, text);
    }

    /// The demo's files are large, and `/tmp` is memory on many hosts.
    private static Path cache() throws IOException {
        String cache = System.getenv("DORMOUSE_CACHE");
        String xdg = System.getenv("XDG_CACHE_HOME");
        Path folder = cache != null
                ? Path.of(cache)
                : xdg != null
                        ? Path.of(xdg, "dormouse")
                        : Path.of(System.getProperty("user.home"), ".cache", "dormouse");
        return Files.createDirectories(folder);
    }

    /// After Ctrl-C the demo is still at work, and may be about to start a QEMU: so it is ended first.
    private static void cleanUp(Demo demo, Path folder, Thread worker, CountDownLatch ended) {
        try {
            for (int i = 0; i < END_TRIES && ended.getCount() > 0; i++) {
                worker.interrupt();
                demo.close();
                boolean _ = ended.await(END_TRY_MILLIS, TimeUnit.MILLISECONDS);
            }
            demo.close();
            delete(folder);
            delete(demo.runtime());
        } catch (IOException | UncheckedIOException e) {
            System.err.println("dormouse: " + folder + ": cannot be removed: " + e.getMessage());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.deleteIfExists(file);
            }
        }
    }
}
