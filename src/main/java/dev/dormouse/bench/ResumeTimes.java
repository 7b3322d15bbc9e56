package dev.dormouse.bench;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// How soon a guest was back, seen from inside of it. Milliseconds from the request.
///
/// @param firstResponseMillis until the guest echoed a nonce that was sent after the request
/// @param timeToResponsivenessMillis until its work rate was what it had been, see [Responsiveness];
///     null if it was not within the time that was watched
/// @param workRate share of the normal rate in each tenth of a second from the request on
record ResumeTimes(double firstResponseMillis, @Nullable Double timeToResponsivenessMillis, List<Double> workRate) {
    static ResumeTimes of(Duration firstResponse, Optional<Duration> timeToResponsiveness, List<Double> workRate) {
        return new ResumeTimes(
                firstResponse.toNanos() / 1e6,
                timeToResponsiveness.map(duration -> duration.toNanos() / 1e6).orElse(null),
                workRate);
    }
}
