package dev.dormouse.daemon;

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
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
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
    private static final long ANSWER_SECONDS = 2;
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
    private final ScheduledExecutorService pen = OneThread.named("history");
    private final AtomicInteger waiting = new AtomicInteger();
    private final CountDownLatch started = new CountDownLatch(1);
    private volatile Map<String, String> carriedOn = Map.of();
    private @Nullable Catalog catalog; // Guarded by this, as is what follows.
    private @Nullable CatalogException failure;
    private long failedNanos;
    private boolean closed;

    /// @param cutOff told of each operation of an earlier daemon that was under way when that one ended
    History(Engine engine, Consumer<OperationView> cutOff) {
        this.engine = engine;
        this.cutOff = cutOff;
        file = engine.home().root().resolve(FILE);
        pen.execute(this::awaitStart);
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
            failure = e;
            failedNanos = System.nanoTime();
            throw e;
        }
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
        for (OperationRecord row : opened.underWay()) {
            String next = row.kind().equals(Operation.Kind.RESUME.word()) ? carriedOn.get(row.vm()) : null;
            String detail = "vm %s: the daemon ended while its %s was under way; %s"
                    .formatted(
                            row.vm(),
                            row.kind(),
                            next == null
                                    ? "it is %s now".formatted(state(row.vm()))
                                    : "operation %s carries on with it".formatted(next));
            OperationView view = PastOperations.cutOff(row, Operation.now(), next, detail);
            opened.put(PastOperations.record(view));
            opened.add(HistoryItems.of(view, memoryBytes(view.vm())));
            cutOff.accept(view);
        }
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
        var _ = enqueue(() -> write(note));
    }

    /// @return whether it is done some time; else the disk hangs, and memory must not fill meanwhile, or the daemon is
    ///     being stopped
    private boolean enqueue(Runnable task) {
        if (waiting.incrementAndGet() > WAITING_MAX) {
            waiting.decrementAndGet();
            return false;
        }
        try {
            pen.execute(() -> {
                waiting.decrementAndGet();
                task.run();
            });
            return true;
        } catch (RejectedExecutionException _) {
            waiting.decrementAndGet();
            return false;
        }
    }

    /// {@return what the catalog answers, which has all by then that happened before}
    ///
    /// @throws IOException if it cannot be used, or does not answer within some seconds
    <T> T ask(Question<T> question) throws IOException {
        var answer = new FutureTask<T>(() -> question.of(catalog()));
        try {
            if (enqueue(answer)) {
                return answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
            }
        } catch (TimeoutException _) {
            answer.cancel(false);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the catalog was asked", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failed) {
                throw failed;
            }
            throw new IllegalStateException(e.getCause());
        }
        throw new ApiException(
                Problem.Kind.UNAVAILABLE,
                "catalog %s: does not answer now, its disk may be slow; VMs are not affected, try again"
                        .formatted(file));
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

    /// Writes down an operation that begins.
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

    /// {@return when the last client of a VM went that is written down; empty if there is none, or nobody can tell}
    Optional<Instant> lastClient(String vm) {
        try {
            return ask(catalog -> catalog.visits(vm, Long.MAX_VALUE, 1)).stream()
                    .findFirst()
                    .map(visit -> Instant.parse(visit.time()).plusMillis(visit.durationMillis()));
        } catch (IOException e) {
            LOG.debug("vm {}: its last client is not known: {}", vm, ErrorText.of(e));
            return Optional.empty();
        }
    }

    private @Nullable Long memoryBytes(String vm) {
        try {
            return engine.status(vm).memoryBytes();
        } catch (IOException _) {
            return null; // It is gone since.
        }
    }

    /// Writes down what commands did with a VM without the daemon. To be called when their log has changed.
    void look(String vm) {
        later(catalog -> {
            for (CommandDone done : engine.commandsDone(vm)) {
                if (!catalog.hasOfCommand(vm, done.kind(), done.time())) {
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
