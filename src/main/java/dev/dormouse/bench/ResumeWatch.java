package dev.dormouse.bench;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Watches a guest from the moment when somebody asked for it until it works as fast as before. Connects
/// before the guest runs, so that the nonce waits for the guest and not the other way round. One thread.
final class ResumeWatch implements AutoCloseable {
    private static final Duration CONNECT_TIMEOUT = Duration.ofMinutes(2);
    private static final Duration ECHO_TIMEOUT = Duration.ofMinutes(5);
    private static final long POLL_MILLIS = 20;

    private final long requestNanos;
    private final GuestProbe probe;
    private final double baseline;
    private final long windowNanos;

    /// @param requestNanos when the resume was asked for
    /// @param baseline iterations per second before the suspend
    ResumeWatch(Home home, String vm, long requestNanos, double baseline) throws IOException {
        this(home, vm, requestNanos, baseline, WorkRate.WINDOW_NANOS);
    }

    /// @param windowNanos of the [WorkRate]
    ResumeWatch(Home home, String vm, long requestNanos, double baseline, long windowNanos) throws IOException {
        this.requestNanos = requestNanos;
        this.baseline = baseline;
        this.windowNanos = windowNanos;
        this.probe = GuestVm.connect(home, vm, CONNECT_TIMEOUT);
    }

    GuestProbe probe() {
        return probe;
    }

    /// Waits for the echo, then for the work rate.
    ///
    /// @param patience how long the rate is watched at the most, from the request
    ResumeTimes times(Duration patience) throws IOException, InterruptedException {
        Duration firstResponse = awaitFirstResponse();
        Optional<Duration> responsive = Optional.empty();
        long end = requestNanos + patience.toNanos();
        while (responsive.isEmpty() && System.nanoTime() - end < 0) {
            Thread.sleep(POLL_MILLIS);
            responsive = timeToResponsiveness();
        }
        return ResumeTimes.of(firstResponse, responsive, shares());
    }

    /// {@return the time from the request until the echo of a nonce that is sent now}
    Duration awaitFirstResponse() throws IOException, InterruptedException {
        probe.ping("resumed-" + Long.toHexString(requestNanos), ECHO_TIMEOUT);
        return Duration.ofNanos(System.nanoTime() - requestNanos);
    }

    /// {@return the time from the request until the guest was as fast as before, if it has been that for a second}
    Optional<Duration> timeToResponsiveness() {
        return Responsiveness.timeToResponsiveness(requestNanos, baseline, rate());
    }

    /// {@return the work of the guest since the request}
    WorkRate rate() {
        return WorkRate.of(probe.reportsSince(requestNanos), windowNanos);
    }

    /// {@return the share of the normal rate in each tenth of a second since the request; 0 before the first
    /// report}
    List<Double> shares() {
        WorkRate rate = rate();
        var shares = new ArrayList<Double>();
        if (rate.isEmpty()) {
            return shares;
        }
        long silent = (rate.firstArrivalNanos() - requestNanos) / WorkRate.WINDOW_NANOS;
        for (int i = 0; i < silent; i++) {
            shares.add(0.0);
        }
        double[] windows = rate.windows(requestNanos, Long.MAX_VALUE);
        int stride = (int) (WorkRate.WINDOW_NANOS / WorkRate.STEP_NANOS);
        for (int i = 0; i < windows.length; i += stride) {
            shares.add(Math.round(1000 * windows[i] / baseline) / 1000.0);
        }
        return shares;
    }

    @Override
    public void close() throws IOException {
        probe.close();
    }
}
