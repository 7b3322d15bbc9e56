package dev.dormouse.daemon;

import java.util.concurrent.atomic.AtomicInteger;

/// How many clients there may be at once. Any thread.
final class ClientLimit {
    private final int max;
    private final AtomicInteger count = new AtomicInteger();

    ClientLimit(int max) {
        this.max = max;
    }

    int max() {
        return max;
    }

    /// {@return whether there was a place, to be given back with [#leave]}
    boolean enter() {
        if (count.incrementAndGet() <= max) {
            return true;
        }
        count.decrementAndGet();
        return false;
    }

    void leave() {
        count.decrementAndGet();
    }
}
