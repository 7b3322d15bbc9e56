package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;

/// How fast pages are placed that nobody has asked for.
///
/// @param windowPagesMin pages in the first batch after a demand
/// @param windowPagesMax pages in the largest batch, which a demand breaks off
/// @param quietNanos for how long after a demand it rests
/// @param duty share of the time in which it may be at work beside a guest that works, above 0 to 1
/// @param rateBytesPerSecond its limit, 0 for none
/// @param sprintBytesMax memory that is not zero up to which it takes all of the time, unless its rate is limited
/// @param on whether there is any; if not, only once somebody waits for the end of the restore
public record BackgroundOptions(
        int windowPagesMin,
        int windowPagesMax,
        long quietNanos,
        double duty,
        long rateBytesPerSecond,
        long sprintBytesMax,
        boolean on) {
    /// Chosen by reasoning and trials, see `docs/adr`.
    public static final BackgroundOptions DEFAULT = new BackgroundOptions(16, 64, 2_000_000, 0.5, 0, 1L << 31, true);

    /// Beside a guest that has nearly all it wants: as much as it does not notice. Its work counts as undisturbed
    /// from 90 % on, and a page costs as much again on the threads that read it.
    private static final double GENTLE_DUTY = 0.015;
    private static final int GENTLE_PAGES = 16;

    /// Everything as fast as it goes.
    static final BackgroundOptions UNTHROTTLED = new BackgroundOptions(256, 256, 0, 1, 0, 0, true);

    /// The same, limited to this rate.
    public BackgroundOptions withRateBytesPerSecond(long rate) {
        return new BackgroundOptions(windowPagesMin, windowPagesMax, quietNanos, duty, rate, sprintBytesMax, on);
    }

    /// The same, with a batch of that many pages all the time, for this share of it.
    public BackgroundOptions withWindow(int pagesMin, int pagesMax, double share) {
        return new BackgroundOptions(pagesMin, pagesMax, quietNanos, share, rateBytesPerSecond, sprintBytesMax, on);
    }

    /// The same, but nothing before somebody waits for the end.
    public BackgroundOptions off() {
        return new BackgroundOptions(
                windowPagesMin, windowPagesMax, quietNanos, duty, rateBytesPerSecond, sprintBytesMax, false);
    }

    /// {@return the same for a guest with that many pages that are not zero}
    BackgroundOptions forPages(long nonZeroPages) {
        boolean sprints = rateBytesPerSecond == 0 && nonZeroPages * RamBlock.TARGET_PAGE_BYTES <= sprintBytesMax;
        return sprints ? new BackgroundOptions(windowPagesMax, windowPagesMax, 0, 1, 0, sprintBytesMax, on) : this;
    }

    /// {@return the same for a guest that has what it wants of its first seconds; it is that already if it is
    /// slower}
    BackgroundOptions gentle() {
        return new BackgroundOptions(
                Math.min(windowPagesMin, GENTLE_PAGES / 2),
                Math.min(windowPagesMax, GENTLE_PAGES),
                Math.max(quietNanos, DEFAULT.quietNanos()),
                Math.min(duty, GENTLE_DUTY),
                rateBytesPerSecond,
                0,
                on);
    }

    /// {@return the same beside a guest that leaves a processor idle: all of the time of the thread that places, but
    /// for a pause behind each demand; as slow as it is already if somebody has made it slower}
    BackgroundOptions steady() {
        return new BackgroundOptions(
                windowPagesMin,
                windowPagesMax,
                Math.max(quietNanos, DEFAULT.quietNanos()),
                duty < DEFAULT.duty() ? duty : 1,
                rateBytesPerSecond,
                0,
                on);
    }

    boolean isGentle() {
        return duty <= GENTLE_DUTY;
    }

    /// {@return whether it rests for nobody}
    boolean isRestless() {
        return duty == 1 && quietNanos == 0;
    }

    public BackgroundOptions {
        if (windowPagesMin < 1 || windowPagesMax < windowPagesMin) {
            throw new IllegalArgumentException("background window is %d to %d pages, 1 or more, ascending, is allowed"
                    .formatted(windowPagesMin, windowPagesMax));
        }
        if (!(duty > 0 && duty <= 1)) {
            throw new IllegalArgumentException("background duty is " + duty + ", above 0 to 1 is allowed");
        }
        if (quietNanos < 0 || rateBytesPerSecond < 0 || sprintBytesMax < 0) {
            throw new IllegalArgumentException("background quiet time, rate and sprint cannot be negative");
        }
    }
}
