package dev.dormouse.checkpoint;

import java.lang.foreign.MemorySegment;

/// Finds the blocks of the VM's disks that hold the same bytes as a page. Called by many threads at once.
///
/// What is found is a *location*: a disk and a block of 4 KiB in what the guest sees of that disk, in one
/// `long`, so that nothing is allocated for the pages of a whole guest.
///
/// **While the guest runs** a block may be rewritten at any moment: even one of a layer that nobody writes
/// may be covered by a newer block of the layer above. So a location that [#find] returned then is kept
/// only if [#holds] confirms it in the pause, when guest and disks stand still.
///
/// A disk that cannot be read is no reason to fail here: the answer is [#NOT_FOUND], and the page is stored.
public interface DiskLookup {
    long NOT_FOUND = -1;

    /// Of a VM whose disks are not looked at.
    DiskLookup NONE = new DiskLookup() {
        @Override
        public long find(long checksum, MemorySegment page, long hint) {
            return NOT_FOUND;
        }

        @Override
        public boolean holds(long location, long checksum, MemorySegment page) {
            return false;
        }
    };

    /// {@return where the page stands on a disk, or [#NOT_FOUND]}
    ///
    /// The bytes were compared, or are known by a hash that nobody can collide with intent. The same
    /// arguments give the same answer as long as the disks stand still.
    ///
    /// @param checksum XXH3-64 of the page
    /// @param page 4096 bytes of native memory, good until the return
    /// @param hint a location that is likely, the one behind the page before; or [#NOT_FOUND]
    long find(long checksum, MemorySegment page, long hint);

    /// Asked in the pause.
    ///
    /// {@return whether a location that was found while the guest ran shows these bytes now}
    boolean holds(long location, long checksum, MemorySegment page);

    /// Called once, when the guest stands still, so that QEMU writes the disks no more (it has drained its
    /// requests), before anything else is asked.
    default void diskFrozen() {}

    static long location(int disk, long block) {
        assert disk >= 0 && disk <= 255 && block >= 0 && block < 1L << 48 : disk + " " + block;
        return ((long) disk << 48) | block;
    }

    static int disk(long location) {
        return (int) (location >>> 48);
    }

    static long block(long location) {
        return location & ((1L << 48) - 1);
    }
}
