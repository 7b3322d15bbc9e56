package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.util.Locale;

/// How a lazy restore treats the guest beside which it runs.
///
/// @param windowPagesMin pages in the first batch of the background after a demand
/// @param windowPagesMax pages in its largest batch, which a demand breaks off
/// @param quietNanos for how long after a demand the background rests
/// @param duty share of the time in which the background may be at work beside a guest that works, above 0 to 1
/// @param rateBytesPerSecond limit of the background, 0 for none
/// @param sprintBytesMax memory that is not zero up to which the background takes all of the time, unless its rate
///     is limited
/// @param early what goes before the guest runs, unless the rate is limited
/// @param neighbourPages pages around a demanded one that are placed with it
/// @param placement how pages get into the guest's memory
/// @param background whether pages are placed that nobody has asked for; if not, only once somebody waits for
///     the end of the restore
/// @param workingSet whether what the guest is expected to touch goes ahead
public record RestoreOptions(
        int windowPagesMin,
        int windowPagesMax,
        long quietNanos,
        double duty,
        long rateBytesPerSecond,
        long sprintBytesMax,
        Early early,
        int neighbourPages,
        Placement placement,
        boolean background,
        boolean workingSet) {
    /// What goes before the guest runs, see [EarlyPages].
    public enum Early {
        /// Nothing; for memory that is not anonymous.
        NONE,
        /// What is known to be wanted.
        AUTO,
        /// Everything but a sample, whatever is known.
        EVERYTHING
    }

    /// How pages get into the guest's memory.
    public enum Placement {
        /// Directly where it is permitted, else through the stream.
        AUTO,
        /// Directly, or not at all.
        DIRECT,
        /// Through QEMU's migration stream.
        STREAM;

        /// {@return as it is written on a command line}
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /// Chosen by reasoning and short trials, see `docs/adr`; not by a bench on a quiet machine yet.
    public static final RestoreOptions DEFAULT =
            new RestoreOptions(16, 64, 2_000_000, 0.5, 0, 1 << 30, Early.AUTO, 16, Placement.AUTO, true, true);

    /// The same, with the background limited to this rate.
    public RestoreOptions withRateBytesPerSecond(long rate) {
        return new RestoreOptions(
                windowPagesMin,
                windowPagesMax,
                quietNanos,
                duty,
                rate,
                sprintBytesMax,
                early,
                neighbourPages,
                placement,
                background,
                workingSet);
    }

    /// The same, with a batch of that many pages all the time, for this share of it.
    public RestoreOptions withWindow(int pagesMin, int pagesMax, double share) {
        return new RestoreOptions(
                pagesMin,
                pagesMax,
                quietNanos,
                share,
                rateBytesPerSecond,
                sprintBytesMax,
                early,
                neighbourPages,
                placement,
                background,
                workingSet);
    }

    /// {@return the same for a guest with that many pages that are not zero}
    RestoreOptions forPages(long nonZeroPages) {
        boolean sprints = rateBytesPerSecond == 0 && nonZeroPages * RamBlock.TARGET_PAGE_BYTES <= sprintBytesMax;
        return sprints
                ? new RestoreOptions(
                        windowPagesMax,
                        windowPagesMax,
                        0,
                        1,
                        0,
                        sprintBytesMax,
                        early,
                        neighbourPages,
                        placement,
                        background,
                        workingSet)
                : this;
    }

    /// The same, with something else before the guest runs.
    public RestoreOptions withEarly(Early what) {
        return new RestoreOptions(
                windowPagesMin,
                windowPagesMax,
                quietNanos,
                duty,
                rateBytesPerSecond,
                sprintBytesMax,
                what,
                neighbourPages,
                placement,
                background,
                workingSet);
    }

    /// {@return whether anything may go before the guest runs}
    boolean isSendingEarly() {
        return early != Early.NONE && isReadingEarly();
    }

    /// {@return whether pages are read before the guest runs}
    public boolean isReadingEarly() {
        return background && workingSet && rateBytesPerSecond == 0;
    }

    /// {@return whether the background rests for nobody}
    boolean isRestless() {
        return duty == 1 && quietNanos == 0;
    }

    /// Everything as fast as it goes: for a VM that is to be suspended again, or that nobody uses.
    public RestoreOptions unthrottled() {
        return new RestoreOptions(256, 256, 0, 1, 0, 0, Early.NONE, neighbourPages, placement, true, workingSet);
    }

    /// {@return the same with another way of placing}
    public RestoreOptions withPlacement(Placement way) {
        return new RestoreOptions(
                windowPagesMin,
                windowPagesMax,
                quietNanos,
                duty,
                rateBytesPerSecond,
                sprintBytesMax,
                early,
                neighbourPages,
                way,
                background,
                workingSet);
    }

    /// {@return the same with the background on or off}
    public RestoreOptions withBackground(boolean on) {
        return new RestoreOptions(
                windowPagesMin,
                windowPagesMax,
                quietNanos,
                duty,
                rateBytesPerSecond,
                sprintBytesMax,
                early,
                neighbourPages,
                placement,
                on,
                workingSet);
    }

    public RestoreOptions {
        if (windowPagesMin < 1 || windowPagesMax < windowPagesMin) {
            throw new IllegalArgumentException("background window is %d to %d pages, 1 or more, ascending, is allowed"
                    .formatted(windowPagesMin, windowPagesMax));
        }
        if (!(duty > 0 && duty <= 1)) {
            throw new IllegalArgumentException("background duty is " + duty + ", above 0 to 1 is allowed");
        }
        if (quietNanos < 0 || rateBytesPerSecond < 0 || sprintBytesMax < 0 || neighbourPages < 0) {
            throw new IllegalArgumentException("background quiet time, rate, sprint and neighbours cannot be negative");
        }
    }
}
