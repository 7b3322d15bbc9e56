package dev.dormouse.restore;

/// How much of the background may be placed at a time: nothing while the guest faults, then little, then more
/// for as long as it does not fault (the congestion window of CRIU's lazy pages, with a pause in front).
/// The quiet after a demand and the rest after a batch run side by side, so a demand shortens no rest.
/// Owned by the thread of the page-fault server; the clock is the caller's.
final class BackgroundWindow {
    /// Of a batch that took long: others had the processor meanwhile.
    private static final long REST_NANOS_MAX = 100_000_000;
    private final BackgroundOptions options;
    private int pages;
    private long quietEndNanos;
    private long restEndNanos;

    BackgroundWindow(BackgroundOptions options, long nowNanos) {
        this.options = options;
        restEndNanos = nowNanos;
        onDemand(nowNanos);
    }

    /// The guest waited for a page: collapse, and stay shut for a while.
    void onDemand(long nowNanos) {
        pages = options.windowPagesMin();
        quietEndNanos = nowNanos + options.quietNanos();
    }

    /// {@return the pages that may be placed now, 0 if the window is shut}
    int pages(long nowNanos) {
        return shutNanos(nowNanos) > 0 ? 0 : pages;
    }

    /// {@return for how long the window stays shut}
    long shutNanos(long nowNanos) {
        return Math.max(0, Math.max(quietEndNanos - nowNanos, restEndNanos - nowNanos));
    }

    /// Stays shut until then at least.
    void rest(long untilNanos) {
        if (untilNanos - restEndNanos > 0) {
            restEndNanos = untilNanos;
        }
    }

    /// A batch of the background was placed without a demand in between.
    ///
    /// @param guestRests whether the guest leaves its processors to others, so that all of the time may be taken
    void onPlaced(int placedPages, long startNanos, long nowNanos, boolean guestRests) {
        pages = Math.min(pages * 2, options.windowPagesMax());
        long busyNanos = nowNanos - startNanos;
        long restNanos =
                guestRests ? 0 : Math.min(REST_NANOS_MAX, (long) (busyNanos * (1 - options.duty()) / options.duty()));
        long rateNanos = options.rateBytesPerSecond() == 0
                ? 0
                : (long) (placedPages * 4096.0e9 / options.rateBytesPerSecond()) - busyNanos;
        restEndNanos = nowNanos + Math.max(restNanos, rateNanos);
    }
}
