package dev.dormouse.daemon;

import dev.dormouse.base.DormouseException;
import dev.dormouse.catalog.Catalog;
import dev.dormouse.catalog.CatalogException;
import dev.dormouse.catalog.NativeLibrary;
import dev.dormouse.catalog.OperationRecord;
import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.CommandDone;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.NotFoundException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes down what happens, behind the back of those who do it: on one thread, which opens the catalog as well. A
/// catalog that cannot be used is no reason for anybody to wait or to fail; what happens meanwhile is not known later.
final class History implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(History.class);
    private static final String FILE = "catalog.db";
    private static final long SAMPLE_SECONDS = 60;
    private static final long TIDY_MINUTES = 60;
    private static final Duration ANSWER_PATIENCE = Duration.ofSeconds(2);
    private static final Duration RETRY = Duration.ofSeconds(30);

    /// Something to be written down.
    @FunctionalInterface
    private interface Note {
        void write(Catalog catalog) throws IOException;
    }

    /// Asks the catalog something.
    @FunctionalInterface
    interface Question<T> {
        T of(Catalog catalog) throws IOException;
    }

    private final Engine engine;
    private final Consumer<OperationView> cutOff;
    private final Path file;
    private final Pen pen = new Pen("history");
    private final CountDownLatch started = new CountDownLatch(1);
    private volatile Map<String, String> carriedOn = Map.of();
    private @Nullable Catalog catalog; // Guarded by this, as is what follows.
    private @Nullable DormouseException failure;
    private long failedNanos;
    private boolean closed;

    /// @param cutOff told of each operation of an earlier daemon that was under way when that one ended
    History(Engine engine, Consumer<OperationView> cutOff) {
        this.engine = engine;
        this.cutOff = cutOff;
        file = engine.home().root().resolve(FILE);
        pen.later(this::awaitStart);
    }

    /// What happens before the daemon serves waits, too: guests come before the catalog.
    private void awaitStart() {
        try {
            started.await();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    /// Says which operations of this daemon carry on with restores of the one before it.
    ///
    /// @param restores by the names of their VMs
    void carriesOn(Map<String, String> restores) {
        carriedOn = restores;
    }

    void start() {
        started.countDown();
        pen.repeat(() -> write(this::sample), 0, SAMPLE_SECONDS, TimeUnit.SECONDS);
        pen.repeat(() -> write(this::tidy), 1, TIDY_MINUTES, TimeUnit.MINUTES);
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
    /// @throws DormouseException if it cannot be used; it is tried again some time later
    private synchronized Catalog catalog() throws IOException {
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
            catalog = open();
            failure = null;
            return catalog;
        } catch (CatalogException e) {
            if (failure == null) {
                LOG.warn("{}", e.getMessage());
            }
            throw failed(e);
        } catch (RuntimeException e) { // A row of which nobody thought: opening it anew at each note does not help.
            if (failure == null) {
                LOG.error("catalog {}: {}", file, e.getMessage(), e);
            }
            throw failed(new ApiException(
                    Problem.Kind.UNAVAILABLE,
                    "catalog %s: cannot be used: %s; VMs are not affected, the daemon's log has more"
                            .formatted(file, e)));
        }
    }

    private synchronized DormouseException failed(DormouseException e) {
        failure = e;
        failedNanos = System.nanoTime();
        return e;
    }

    private Catalog open() throws CatalogException {
        unpackLibrary();
        Catalog opened = Catalog.open(file, Clock.systemUTC(), Catalog.Retention.DEFAULT, LOG::warn);
        try {
            endCutOff(opened);
            return opened;
        } catch (CatalogException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /// Ends what was under way when the daemon before this one ended: nothing of this one is in the catalog yet.
    private void endCutOff(Catalog opened) throws CatalogException {
        List<OperationRecord> rows = opened.underWay();
        for (OperationRecord row : rows) {
            String next = isResume(row) ? carriedOn.get(row.vm()) : null;
            boolean goesOn = next != null && row.equals(newestRestore(rows, row.vm()));
            OperationView view = PastOperations.cutOff(
                    row,
                    Operation.now(),
                    goesOn ? next : null,
                    goesOn
                            ? "vm %s: the daemon ended while its resume was under way; operation %s carries on with it"
                                    .formatted(row.vm(), next)
                            : howItEnded(row, next != null));
            opened.put(PastOperations.record(view));
            opened.add(HistoryItems.of(view, memoryBytes(view.vm())));
            cutOff.accept(view);
        }
    }

    private static boolean isResume(OperationRecord row) {
        return row.kind().equals(Operation.Kind.RESUME.word());
    }

    /// {@return the resume of a VM of which a restore may be left; null if there is none} One whose turn had not come
    /// leaves none, and each one before it has ended, only that could not be written down.
    private static @Nullable OperationRecord newestRestore(List<OperationRecord> rows, String vm) {
        return rows.reversed().stream()
                .filter(row -> isResume(row) && row.vm().equals(vm) && row.started() != null)
                .findFirst()
                .orElse(null);
    }

    /// @param anotherGoesOn whether it was another one that the daemon ended in the middle of
    private String howItEnded(OperationRecord row, boolean anotherGoesOn) {
        String how = anotherGoesOn
                ? "how its " + row.kind() + " ended was not written down"
                : "the daemon ended while its " + row.kind() + " was under way";
        return "vm %s: %s; it is %s now".formatted(row.vm(), how, state(row.vm()));
    }

    private String state(String vm) {
        try {
            return engine.status(vm).state();
        } catch (NotFoundException _) {
            return "gone";
        } catch (IOException _) {
            return "unreadable";
        }
    }

    private void later(Note note) {
        pen.later(() -> write(note));
    }

    /// {@return what the catalog answers, which has all by then that happened before} Asked on the thread that writes;
    /// the caller waits.
    ///
    /// @throws IOException if it cannot be used, or does not answer within two seconds; at once if it did
    ///     not answer another one and has done nothing since, or if [Pen#QUESTIONS_MAX] wait for it already
    <T> T ask(Question<T> question) throws IOException {
        try {
            return pen.ask(() -> question.of(catalog()), ANSWER_PATIENCE);
        } catch (TimeoutException _) {
            throw new ApiException(
                    Problem.Kind.UNAVAILABLE,
                    "catalog %s: does not answer now, its disk may be slow; VMs are not affected, try again"
                            .formatted(file));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the catalog was asked", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failed) {
                throw failed;
            }
            throw new IllegalStateException(e.getCause());
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

    /// Writes down an operation that begins, or whose turn has come.
    void began(OperationView operation) {
        later(catalog -> catalog.put(PastOperations.record(operation)));
    }

    /// Writes down an operation that has ended.
    void ended(OperationView operation) {
        later(catalog -> {
            catalog.put(PastOperations.record(operation));
            catalog.add(HistoryItems.of(operation, memoryBytes(operation.vm())));
        });
    }

    void left(Visit visit) {
        later(catalog -> catalog.add(visit));
    }

    /// {@return by the names of VMs when the last client of each went, as far as that is written down} Asks the
    /// catalog, once for all of them.
    Map<String, Instant> lastClients(List<String> vms) {
        if (vms.isEmpty()) {
            return Map.of();
        }
        try {
            return ask(catalog -> {
                var found = new HashMap<String, Instant>();
                for (String vm : vms) {
                    for (Visit visit : catalog.visits(vm, Long.MAX_VALUE, 1)) {
                        found.put(vm, Instant.parse(visit.time()).plusMillis(visit.durationMillis()));
                    }
                }
                return found;
            });
        } catch (IOException e) {
            LOG.debug("when clients of {} went is not known: {}", String.join(", ", vms), ErrorText.of(e));
            return Map.of();
        }
    }

    private @Nullable Long memoryBytes(String vm) {
        try {
            return engine.status(vm).memoryBytes();
        } catch (IOException _) {
            return null; // It is gone since.
        }
    }

    /// Writes down what commands did with a VM without the daemon. To be called when their log has changed, which may
    /// have more than the catalog keeps.
    void look(String vm) {
        later(catalog -> {
            Instant forgotten = catalog.forgottenBefore(vm).map(Instant::parse).orElse(Instant.MIN);
            for (CommandDone done : engine.commandsDone(vm)) {
                if (!Instant.parse(done.time()).isBefore(forgotten)
                        && !catalog.hasOfCommand(vm, done.kind(), done.time())) {
                    catalog.add(HistoryItems.of(vm, done, memoryBytes(vm)));
                }
            }
        });
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
        started.countDown();
        pen.close();
        synchronized (this) {
            closed = true;
            if (catalog != null) {
                catalog.close();
                catalog = null;
            }
        }
    }
}
