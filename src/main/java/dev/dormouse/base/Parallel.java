package dev.dormouse.base;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.IntStream;

/// The same for many things, some of them at once, where each may have to wait for somebody else. Any thread.
public final class Parallel {
    /// More would cost memory and let others wait, where nobody has to be waited for.
    private static final int THREADS = 16;

    private Parallel() {}

    /// The calling thread does the last part itself: one item alone waits for no other thread.
    ///
    /// {@return what the work returns for each item, in their order}
    ///
    /// @param work must not throw; what it throws all the same comes as a `CompletionException`
    public static <T, R> List<R> map(List<T> items, Function<T, R> work) {
        int count = Math.min(THREADS, items.size());
        List<CompletableFuture<List<R>>> parts = IntStream.range(0, count)
                .mapToObj(part -> CompletableFuture.supplyAsync(
                        () -> part(items, part, count).stream().map(work).toList(),
                        part == count - 1 ? Runnable::run : Thread::startVirtualThread))
                .toList();
        return parts.stream().map(CompletableFuture::join).flatMap(List::stream).toList();
    }

    private static <T> List<T> part(List<T> items, int part, int count) {
        return items.subList(items.size() * part / count, items.size() * (part + 1) / count);
    }
}
