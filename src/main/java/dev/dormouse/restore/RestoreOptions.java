package dev.dormouse.restore;

import java.util.Locale;

/// How a lazy restore treats the guest beside which it runs.
///
/// @param background how fast pages are placed that nobody has asked for
/// @param early what goes before the guest runs, unless the rate is limited
/// @param neighbourPages pages around a demanded one that are placed with it
/// @param placement how pages get into the guest's memory
/// @param workingSet whether what the guest is expected to touch goes ahead
public record RestoreOptions(
        BackgroundOptions background, Early early, int neighbourPages, Placement placement, boolean workingSet) {
    /// What goes before the guest runs, see [EarlyPages].
    public enum Early {
        /// Nothing; for memory that is not anonymous.
        NONE,
        /// What is known to be wanted, and of little memory more.
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

    /// What fits unless somebody knows better, see `docs/adr`.
    public static final RestoreOptions DEFAULT =
            new RestoreOptions(BackgroundOptions.DEFAULT, Early.AUTO, 16, Placement.AUTO, true);

    /// What the guest asks for and nothing else, which shows what it asks for.
    public static final RestoreOptions DEMANDS =
            new RestoreOptions(BackgroundOptions.DEFAULT.off(), Early.NONE, 0, Placement.AUTO, false);

    /// {@return the same with another background}
    public RestoreOptions withBackground(BackgroundOptions other) {
        return new RestoreOptions(other, early, neighbourPages, placement, workingSet);
    }

    /// {@return the same with something else before the guest runs}
    public RestoreOptions withEarly(Early what) {
        return new RestoreOptions(background, what, neighbourPages, placement, workingSet);
    }

    /// {@return the same with another way of placing}
    public RestoreOptions withPlacement(Placement way) {
        return new RestoreOptions(background, early, neighbourPages, way, workingSet);
    }

    /// Everything as fast as it goes: for a VM that is to be suspended again, or that nobody uses.
    public RestoreOptions unthrottled() {
        return withBackground(BackgroundOptions.UNTHROTTLED).withEarly(Early.NONE);
    }

    /// {@return whether anything may go before the guest runs}
    boolean isSendingEarly() {
        return early != Early.NONE && isReadingEarly();
    }

    /// {@return whether pages are read before the guest runs}
    public boolean isReadingEarly() {
        return background.on() && workingSet && background.rateBytesPerSecond() == 0;
    }

    public RestoreOptions {
        if (neighbourPages < 0) {
            throw new IllegalArgumentException(
                    "neighbours of a demanded page are " + neighbourPages + ", 0 or more are allowed");
        }
    }
}
