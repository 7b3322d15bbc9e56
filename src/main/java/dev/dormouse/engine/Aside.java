package dev.dormouse.engine;

import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/// Work that goes on beside its caller, such as what can be done while QEMU starts. Closing waits for its end, and
/// then gives up what it made.
final class Aside<T> implements AutoCloseable {
    private final FutureTask<T> task;
    private final Disposal<T> disposal;

    private Aside(FutureTask<T> task, Disposal<T> disposal) {
        this.task = task;
        this.disposal = disposal;
    }

    /// What becomes of the result in the end.
    @FunctionalInterface
    interface Disposal<T> {
        void dispose(T result) throws IOException;
    }

    static <T> Aside<T> start(String name, Callable<T> work) {
        return start(name, work, _ -> {});
    }

    static <T> Aside<T> start(String name, Callable<T> work, Disposal<T> disposal) {
        var task = new FutureTask<>(work);
        Thread.ofPlatform().daemon().name(name).start(task);
        return new Aside<>(task, disposal);
    }

    /// Waits for the result, which this goes on owning.
    T get() throws IOException {
        try {
            return task.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("interrupted while a restore was prepared", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException cause -> throw cause;
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                default -> throw new IllegalStateException(e.getCause());
            }
        }
    }

    @Override
    public void close() throws IOException {
        T result = null;
        boolean interrupted = false;
        while (true) {
            try {
                result = task.get();
                break;
            } catch (InterruptedException _) {
                interrupted = true; // What it reads must not be closed under its hands.
            } catch (ExecutionException _) {
                break; // Told by get, or of no interest any more.
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (result != null) {
            disposal.dispose(result);
        }
    }
}
