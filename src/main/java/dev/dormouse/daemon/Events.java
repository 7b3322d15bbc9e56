package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// What happens, for those who watch. Keeps the last events, so that a watcher whose connection broke goes on where it
/// was. Whoever publishes never waits for a watcher: one that is too slow is cut off. Any thread.
final class Events {
    private static final int KEPT = 1000;
    private static final int WAITING_MAX = 1000;

    private final ArrayDeque<Event> recent = new ArrayDeque<>(); // Guarded by this, as is what follows.
    private final List<Subscription> subscriptions = new CopyOnWriteArrayList<>();
    private long lastId;
    private final PageMaps pageMaps = new PageMaps();

    /// {@return what happens to each page, which is not told but can be looked at}
    PageMaps pageMaps() {
        return pageMaps;
    }

    /// @param data a record annotated with `@Json`, or a map
    void publish(String type, @Nullable String vm, @Nullable String operation, Object data) {
        String json = Json.write(data);
        synchronized (this) {
            var event = new Event(++lastId, type, vm, operation, json);
            recent.addLast(event);
            if (recent.size() > KEPT) {
                recent.removeFirst();
            }
            subscriptions.forEach(subscription -> subscription.offer(event));
        }
    }

    /// Begins to watch.
    ///
    /// @param after the last event that the watcher knows; null for only what comes from now on
    synchronized Subscription subscribe(@Nullable Long after, Predicate<Event> wanted) {
        var subscription = new Subscription(wanted);
        if (after != null) {
            boolean known =
                    after <= lastId && (recent.isEmpty() || recent.getFirst().id() <= after + 1);
            if (known) {
                recent.stream().filter(event -> event.id() > after).forEach(subscription::offer);
            } else { // Of another life of the daemon, or too long ago.
                subscription.waiting.add(new Event(lastId, "reset", null, null, "{}"));
            }
        }
        subscriptions.add(subscription);
        return subscription;
    }

    /// One who watches. [#poll] is for one thread.
    final class Subscription implements AutoCloseable {
        private final Predicate<Event> wanted;
        private final BlockingQueue<Event> waiting = new ArrayBlockingQueue<>(WAITING_MAX);
        private volatile boolean tooSlow;

        private Subscription(Predicate<Event> wanted) {
            this.wanted = wanted;
        }

        private void offer(Event event) {
            if (wanted.test(event) && !waiting.offer(event)) {
                tooSlow = true;
            }
        }

        /// {@return the next event, null if none comes in time}
        @Nullable
        Event poll(Duration patience) throws InterruptedException {
            return waiting.poll(patience.toNanos(), TimeUnit.NANOSECONDS);
        }

        /// {@return whether it has missed events, and should begin anew}
        boolean isTooSlow() {
            return tooSlow;
        }

        @Override
        public void close() {
            subscriptions.remove(this);
        }
    }
}
