package dev.dormouse.base;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;

/// The same for many things at once, where each may have to wait for somebody else. Any thread.
public final class Parallel {
    private static final Executor THREADS = Thread::startVirtualThread;

    private Parallel() {}

    /// {@return what the work returns for each item, in their order}
    ///
    /// @param work must not throw; what it throws all the same comes as a `CompletionException`
    public static <T, R> List<R> map(List<T> items, Function<T, R> work) {
        List<CompletableFuture<R>> results = items.stream()
                .map(item -> CompletableFuture.supplyAsync(() -> work.apply(item), THREADS))
                .toList();
        return results.stream().map(CompletableFuture::join).toList();
    }
}
