package dev.dormouse.daemon;

import dev.dormouse.base.RamBlock;
import dev.dormouse.catalog.Catalog;
import dev.dormouse.catalog.CatalogException;
import dev.dormouse.catalog.HistoryItem;
import dev.dormouse.catalog.NativeLibrary;
import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.restore.RestoreReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes down what happens, behind the back of those who do it: on one thread, which opens the catalog as well. A
/// catalog that cannot be used is no reason for anybody to wait or to fail; what happens meanwhile is not known later.
final class History implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(History.class);
    private static final String FILE = "catalog.db";
    private static final int WAITING_MAX = 1000;
    private static final long SAMPLE_SECONDS = 60;
    private static final long TIDY_MINUTES = 60;
    private static final Duration RETRY = Duration.ofSeconds(30);

    /// Something to be written down.
    @FunctionalInterface
    private interface Note {
        void write(Catalog catalog) throws IOException;
    }

    private final Engine engine;
    private final Path file;
    private final ScheduledExecutorService pen = OneThread.named("history");
    private final AtomicInteger waiting = new AtomicInteger();
    private @Nullable Catalog catalog; // Guarded by this, as is what follows.
    private @Nullable CatalogException failure;
    private long failedNanos;
    private boolean closed;

    History(Engine engine) {
        this.engine = engine;
        file = engine.home().root().resolve(FILE);
    }

    void start() {
        var _ = pen.scheduleWithFixedDelay(() -> write(this::sample), 0, SAMPLE_SECONDS, TimeUnit.SECONDS);
        var _ = pen.scheduleWithFixedDelay(() -> write(this::tidy), 1, TIDY_MINUTES, TimeUnit.MINUTES);
    }

    private void unpackLibrary() {
        try {
            NativeLibrary.unpackIn(engine.home().runtime().resolve(".sqlite")); // No VM has such a name.
        } catch (IOException e) {
            LOG.warn("the library of SQLite is unpacked in a shared folder: {}", ErrorText.of(e));
        }
    }

    /// {@return the catalog, opened when it is first needed}
    ///
    /// @throws CatalogException if it cannot be used; it is tried again some time later
    synchronized Catalog catalog() throws IOException {
        if (catalog != null) {
            return catalog;
        }
        if (closed) {
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
        }
        if (failure != null && System.nanoTime() - failedNanos < RETRY.toNanos()) {
            throw failure;
        }
        try {
            unpackLibrary();
            catalog = Catalog.open(file, Clock.systemUTC(), Catalog.Retention.DEFAULT, LOG::warn);
            failure = null;
            return catalog;
        } catch (CatalogException e) {
            if (failure == null) {
                LOG.warn("{}", e.getMessage());
            }
            failure = e;
            failedNanos = System.nanoTime();
            throw e;
        }
    }

    private void later(Note note) {
        if (waiting.incrementAndGet() > WAITING_MAX) { // The disk hangs; memory must not fill meanwhile.
            waiting.decrementAndGet();
            return;
        }
        try {
            pen.execute(() -> {
                waiting.decrementAndGet();
                write(note);
            });
        } catch (RejectedExecutionException _) {
            waiting.decrementAndGet(); // The daemon is being stopped.
        }
    }

    private void write(Note note) {
        try {
            note.write(catalog());
        } catch (CatalogException e) {
            LOG.debug("{}", e.getMessage()); // Told once, when it was opened; a full disk would fill the log.
        } catch (IOException e) {
            LOG.debug("history: {}", ErrorText.of(e)); // The VM is gone.
        } catch (RuntimeException | Error e) {
            LOG.error("history: {}", e.getMessage(), e);
        }
    }

    /// Writes down an operation that has ended.
    void ended(OperationView operation) {
        later(catalog -> catalog.add(item(operation)));
    }

    void left(Visit visit) {
        later(catalog -> catalog.add(visit));
    }

    /// {@return when the last client of a VM went that is written down; empty if there is none, or nobody can tell}
    Optional<Instant> lastClient(String vm) {
        try {
            return catalog().visits(vm, Long.MAX_VALUE, 1).stream()
                    .findFirst()
                    .map(visit -> Instant.parse(visit.time()).plusMillis(visit.durationMillis()));
        } catch (IOException e) {
            LOG.debug("vm {}: its last client is not known: {}", vm, ErrorText.of(e));
            return Optional.empty();
        }
    }

    private HistoryItem item(OperationView operation) {
        Map<String, Object> result = operation.result() == null ? Map.of() : operation.result();
        Map<?, ?> report = result.get("report") instanceof Map<?, ?> map ? map : Map.of();
        boolean resumed = operation.kind().equals("resume");
        String ended = String.valueOf(operation.ended());
        return new HistoryItem(
                0,
                operation.vm(),
                ended,
                operation.kind(),
                operation.state(),
                "daemon",
                operation.id(),
                operation.error() == null ? null : operation.error().detail(),
                result.get("image") instanceof String image ? image : null,
                millisBetween(operation.started() == null ? operation.created() : operation.started(), ended),
                operation.guestRunsMillis(),
                operation.responsiveMillisEstimate(),
                number(result, "pausedMillis"),
                number(result, "imageBytes"),
                resumed ? memoryBytes(operation.vm()) : number(result, "memoryBytes"),
                resumed ? bytes(number(report, "nonZeroPages")) : number(result, "nonZeroBytes"),
                number(resumed ? report : result, "storedBytes"),
                number(resumed ? report : result, "duplicateBytes"),
                number(resumed ? report : result, "onDiskBytes"),
                number(report, "demandedPages"),
                number(report, "prefetchedPages"),
                number(report, "demandMicrosP50"),
                number(report, "demandMicrosP99"));
    }

    private static @Nullable Long number(Map<?, ?> figures, String name) {
        return figures.get(name) instanceof Number number ? number.longValue() : null;
    }

    private static @Nullable Long bytes(@Nullable Long pages) {
        return pages == null ? null : pages * RamBlock.TARGET_PAGE_BYTES;
    }

    private static long millisBetween(String begin, String end) {
        return Math.max(
                0, Duration.between(Instant.parse(begin), Instant.parse(end)).toMillis());
    }

    private @Nullable Long memoryBytes(String vm) {
        try {
            return engine.status(vm).memoryBytes();
        } catch (IOException _) {
            return null; // It is gone since.
        }
    }

    /// Looks whether a VM was suspended or resumed by others, and writes that down. To be called when its files have
    /// changed while no operation of this daemon was on it.
    void look(String vm) {
        later(catalog -> {
            VmStatus status = engine.status(vm);
            lookForSuspend(catalog, status);
            lookForResume(catalog, status);
        });
    }

    /// The image of a suspend has the name of its VM, one that a VM was made of usually another one's. Two suspends
    /// within one second may give it the same name, so its file counts, too. The time of the state does not:
    /// a resume that fails begins that anew.
    private void lookForSuspend(Catalog catalog, VmStatus vm) throws IOException {
        String image = vm.image();
        if (!vm.state().equals("suspended")
                || image == null
                || !image.matches(Pattern.quote(vm.name()) + "-[0-9]{8}-[0-9]{6}(-[0-9]+)?")) {
            return;
        }
        Optional<HistoryItem> last = catalog.last(vm.name(), "suspend");
        Path file = engine.home().image(image);
        if (last.isEmpty()
                || !image.equals(last.get().image())
                || (Files.exists(file)
                        && written(file).isAfter(Instant.parse(last.get().time())))) {
            catalog.add(ofCommand(vm, vm.since(), "suspend", image, null));
        }
    }

    /// Not each resume writes a report: the one that is there may be that of an earlier one. A later one may have an
    /// earlier time: clocks are set back.
    private void lookForResume(Catalog catalog, VmStatus vm) throws IOException {
        RestoreReport report = vm.lastRestore();
        if (report == null) {
            return;
        }
        Instant written = written(engine.home().vm(vm.name()).resolve("last-restore.json"));
        if (!catalog.wasUnderWay(vm.name(), "resume", written.toString())) {
            catalog.add(ofCommand(vm, written.toString(), "resume", null, report));
        }
    }

    /// {@return when the file was last written, as exactly as the catalog keeps times}
    private static Instant written(Path file) throws IOException {
        return Files.getLastModifiedTime(file).toInstant().truncatedTo(ChronoUnit.MILLIS);
    }

    private static HistoryItem ofCommand(
            VmStatus vm, String time, String kind, @Nullable String image, @Nullable RestoreReport report) {
        return new HistoryItem(
                0,
                vm.name(),
                time,
                kind,
                "succeeded",
                "command",
                null,
                null,
                image,
                null,
                null,
                report == null ? null : report.responsiveMillisEstimate(),
                null,
                image == null ? null : vm.imageBytes(),
                vm.memoryBytes(),
                report == null ? null : bytes(report.nonZeroPages()),
                report == null ? null : (Long) report.storedBytes(),
                report == null ? null : (Long) report.duplicateBytes(),
                report == null ? null : (Long) report.onDiskBytes(),
                report == null ? null : (Long) report.demandedPages(),
                report == null ? null : (Long) report.prefetchedPages(),
                report == null ? null : (Long) report.demandMicrosP50(),
                report == null ? null : (Long) report.demandMicrosP99());
    }

    private void sample(Catalog catalog) throws IOException {
        catalog.add(HostUse.of(engine).sample(Operation.now()));
    }

    private void tidy(Catalog catalog) throws IOException {
        for (String name : engine.names()) {
            Long bytes = memoryBytes(name);
            if (bytes != null) {
                catalog.seenVm(name, bytes);
            }
        }
        for (String id : engine.images().ids()) {
            catalog.seenImage(id, Files.size(engine.home().image(id)));
        }
        catalog.forgetOldest();
    }

    /// Writes what is left, for some seconds at most.
    @Override
    public void close() {
        OneThread.end(pen);
        synchronized (this) {
            closed = true;
            if (catalog != null) {
                catalog.close();
                catalog = null;
            }
        }
    }
}
