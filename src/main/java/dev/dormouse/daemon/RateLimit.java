package dev.dormouse.daemon;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/// So many requests a second from each one who sends some, more for a moment. Remembers a bounded number of them. Any
/// thread.
final class RateLimit {
    private static final int KNOWN_MAX = 10_000;

    private final double perSecond;
    private final double burst;
    private final LongSupplier nanos;
    private final Map<String, Bucket> buckets = new LinkedHashMap<>(16, 0.75f, true); // Guarded by this.

    /// @param left how many requests may follow at once
    private record Bucket(double left, long atNanos) {}

    /// @param perSecond more than 0
    /// @param burst how many may come at once, 1 or more
    /// @param nanos as [System#nanoTime]
    RateLimit(double perSecond, double burst, LongSupplier nanos) {
        this.perSecond = perSecond;
        this.burst = burst;
        this.nanos = nanos;
    }

    /// Counts a request.
    ///
    /// @return 0 if it may go on; else in how many seconds the next one may, 1 or more
    synchronized long take(String who) {
        Bucket now = refill(who);
        if (now.left < 1) {
            return (long) Math.ceil((1 - now.left) / perSecond);
        }
        buckets.put(who, new Bucket(now.left - 1, now.atNanos));
        if (buckets.size() > KNOWN_MAX) {
            buckets.remove(buckets.keySet().iterator().next());
        }
        return 0;
    }

    private Bucket refill(String who) {
        long at = nanos.getAsLong();
        Bucket before = buckets.get(who);
        if (before == null) {
            return new Bucket(burst, at);
        }
        double gained = (double) (at - before.atNanos) / TimeUnit.SECONDS.toNanos(1) * perSecond;
        return new Bucket(Math.min(burst, before.left + gained), at);
    }
}
