package dev.dormouse.bench;

import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.restore.BackgroundOptions;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.RestoreOptions.Placement;
import java.util.Arrays;
import java.util.Locale;

/// The ways of restoring that [RestoreBench] compares, in the order in which a round takes them.
enum RestoreStrategy {
    /// QEMU's own: everything is read from a stream in a file before the guest runs.
    STOCK_STREAM,
    /// QEMU's own from 9.0 on: the same from a mapped-ram file, by several threads.
    STOCK_MAPPED_RAM,
    /// The predecessor of the paper: a small image, all of which is loaded before the guest runs.
    EAGER,
    /// Every page when the guest asks for it, no working set, no background before the guest is idle.
    PLAIN_LAZY,
    /// Everything that Dormouse does, for a VM that was never restored before.
    DORMOUSE_FIRST,
    /// The same with the working set that earlier restores recorded.
    DORMOUSE,
    /// The same with a QEMU that waits already.
    DORMOUSE_STANDBY,
    /// As [#DORMOUSE], placing by QEMU's stream.
    DORMOUSE_STREAM;

    /// A guest that has not faulted for so long counts as idle.
    private static final long IDLE_NANOS = 500_000_000;
    private static final RestoreOptions PLAIN = new RestoreOptions(
            new BackgroundOptions(256, 256, IDLE_NANOS, 1, 0, 0, true),
            RestoreOptions.Early.NONE,
            0,
            Placement.AUTO,
            false);

    /// @param name as [#text] gives it
    static RestoreStrategy named(String name) {
        return Arrays.stream(values())
                .filter(strategy -> strategy.text().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("strategy is '" + name + "', allowed are "
                        + Arrays.stream(values()).map(RestoreStrategy::text).toList()));
    }

    /// {@return the name in options and reports, such as `plain-lazy`}
    String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    boolean isStock() {
        return this == STOCK_STREAM || this == STOCK_MAPPED_RAM;
    }

    /// Whether all of the memory is there before the guest runs.
    boolean isEager() {
        return isStock() || this == EAGER;
    }

    boolean isPossible(QemuVersion version) {
        return this != STOCK_MAPPED_RAM || version.atLeast(9, 0);
    }

    /// {@return whether it belongs to the paper's evaluation: not those that spend memory on a QEMU that waits, or are
    /// for hosts that permit less}
    boolean isOfPaper() {
        return this != DORMOUSE_STANDBY && this != DORMOUSE_STREAM;
    }

    boolean needsWorkingSet() {
        return this == DORMOUSE || this == DORMOUSE_STANDBY || this == DORMOUSE_STREAM;
    }

    /// Whether the VM comes with what is known of it without an earlier restore.
    boolean knowsItsCapture() {
        return this == DORMOUSE_FIRST || needsWorkingSet();
    }

    StockQemu.Means means() {
        return this == STOCK_MAPPED_RAM ? StockQemu.Means.MAPPED_RAM : StockQemu.Means.STREAM;
    }

    /// {@return how the engine is to restore; not of those that are QEMU's own}
    ResumeOptions options() {
        ResumeOptions usual = ResumeOptions.DEFAULT.withKeepImage(true);
        return switch (this) {
            case EAGER -> usual.withEager(true);
            case PLAIN_LAZY -> new ResumeOptions(false, true, false, PLAIN);
            case DORMOUSE_FIRST, DORMOUSE, DORMOUSE_STANDBY -> usual;
            case DORMOUSE_STREAM -> usual.withPlacement(Placement.STREAM);
            case STOCK_STREAM, STOCK_MAPPED_RAM -> throw new IllegalStateException(text() + " is QEMU's own way");
        };
    }
}
