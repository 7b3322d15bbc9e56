package dev.dormouse.restore;

import java.util.List;

/// Follows a restore. Called by its owner thread, of stalls by the one that watches the connection too; what
/// takes long or throws here delays the guest.
public interface RestoreListener {
    /// How far a restore is. Pages are of 4096 bytes.
    ///
    /// @param nonZeroPages pages that have to be placed in all
    /// @param placedPages non-zero pages placed so far
    /// @param demandedPages non-zero pages that the guest waited for
    /// @param demandedZeroPages zero pages that the guest waited for
    /// @param prefetchedPages non-zero pages placed before anybody asked: neighbours and background
    record Progress(
            long nonZeroPages, long placedPages, long demandedPages, long demandedZeroPages, long prefetchedPages) {}

    /// Called at most some ten times a second, and at the end.
    default void progress(Progress progress) {}

    /// A step was done. Called by the thread that does the next one, before it begins.
    default void reached(RestoreStep step) {}

    /// How many of the non-zero pages are placed. Called by the owner thread in each of its turns.
    default void placed(long pages, long ofPages) {}

    /// Pages are about to be served. What happens to each of them can be read off the map from now on, by any thread.
    default void serving(PageMap pages) {}

    /// It was decided how pages get into the guest's memory.
    ///
    /// @param ways per RAM block `direct` or `stream`
    /// @param reason why nothing is direct; empty if something is
    default void placement(List<String> ways, String reason) {}

    /// All that the guest is known to want is there, and the rest comes so slowly that nobody notices. While no other
    /// restore goes on it may become faster, on a processor that nobody wants. Called once, where that is so.
    default void gentle() {}

    /// A page cannot be served; whoever touches it in the guest waits until a retry succeeds.
    default void stalled(String reason) {}

    /// The page that could not be served was placed.
    default void unstalled() {}

    /// Whether the background should now go as fast as it can. Asked some ten times a second.
    default boolean hurry() {
        return false;
    }

    /// Whether to leave the restore off as long as a page cannot be served, for somebody else to carry on with. Asked
    /// in each turn of the owner thread while it is stalled.
    default boolean givesUp() {
        return false;
    }

    /// When the guest began to run, by `System.nanoTime`; 0 before that, and where nobody knows. Asked some
    /// fifty times a second.
    default long ranNanos() {
        return 0;
    }
}
