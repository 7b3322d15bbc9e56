package dev.dormouse.engine;

import dev.dormouse.checkpoint.DiskLookup;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.index.DiskIndex;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Looks for pages on all disks of a VM that is being captured: while it runs, on its disks as they are at
/// that moment; from [#freeze] on, on what they are in its pause.
///
/// What was found while the guest ran holds if nothing was written there since, which QEMU has recorded.
/// A disk that cannot be looked at costs space: its pages are stored.
final class DiskSearch implements DiskLookup, AutoCloseable {
    private final LayerIndexes indexes;
    private final List<BackingChain> chains;
    private final OperationListener listener;
    private volatile List<Disk> disks = List.of();

    private DiskSearch(LayerIndexes indexes, List<BackingChain> chains, OperationListener listener) {
        this.indexes = indexes;
        this.chains = chains;
        this.listener = listener;
    }

    /// Brings the indexes up to date, which may read all of a disk that was never indexed.
    ///
    /// @param running whether pages are looked for before [#freeze], too
    static DiskSearch open(
            LayerIndexes indexes, List<BackingChain> chains, OperationListener listener, boolean running) {
        var search = new DiskSearch(indexes, chains, listener);
        if (running) {
            search.reopen();
        } else {
            search.refresh();
        }
        return search;
    }

    private void refresh() {
        for (int i = 0; i < chains.size(); i++) {
            try {
                indexes.refresh(i, chains.get(i));
            } catch (IOException _) {
                // Told when the guest stands still, if it is so then, too.
            }
        }
    }

    /// To be called when the guest stands still and its QEMU still owns the images.
    void freeze() {
        reopen();
    }

    private void reopen() {
        var opened = new ArrayList<Disk>();
        for (int i = 0; i < chains.size(); i++) {
            opened.add(reopen(i));
        }
        List<Disk> before = disks;
        disks = List.copyOf(opened);
        before.forEach(Disk::close);
    }

    private Disk reopen(int disk) {
        try {
            BitSet written = indexes.refresh(disk, chains.get(disk));
            FrozenDiskView view = indexes.view(chains.get(disk));
            try {
                return new Disk(view, indexes.open(chains.get(disk), view), written);
            } catch (IOException e) {
                view.close();
                throw e;
            }
        } catch (IOException e) {
            listener.step("storing pages of disk " + disk + " that are on it, too, because " + e.getMessage());
            return Disk.UNKNOWN;
        }
    }

    @Override
    public long find(long checksum, MemorySegment page, long hint, boolean frozenOnly) {
        List<Disk> now = disks;
        int likely = hint == NOT_FOUND ? 0 : DiskLookup.disk(hint);
        for (int i = 0; i < now.size(); i++) {
            int disk = (likely + i) % now.size();
            long block = now.get(disk).find(checksum, page, i == 0 && hint != NOT_FOUND ? DiskLookup.block(hint) : -1);
            if (block >= 0) {
                return DiskLookup.location(disk, block);
            }
        }
        return NOT_FOUND;
    }

    @Override
    public boolean holds(long location, long checksum, MemorySegment page) {
        return disks.get(DiskLookup.disk(location)).holds(DiskLookup.block(location), page);
    }

    /// {@return per disk its whole blocks, as far as a page may refer to them}
    long[] blockCounts() {
        return disks.stream().mapToLong(Disk::blockCount).toArray();
    }

    @Override
    public void close() {
        disks.forEach(Disk::close);
        disks = List.of();
    }

    /// One disk as it was at one moment.
    ///
    /// @param written by 64 KiB, what was written since the moment before; null if that is not known
    private record Disk(
            @Nullable FrozenDiskView view,
            @Nullable DiskIndex index,
            @Nullable BitSet written) {
        static final Disk UNKNOWN = new Disk(null, null, null);
        private static final ThreadLocal<ByteBuffer> BLOCK =
                ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(DiskView.BLOCK_BYTES));

        long find(long checksum, MemorySegment page, long hint) {
            return index == null ? -1 : index.find(checksum, page, hint);
        }

        boolean holds(long block, MemorySegment page) {
            if (view == null) {
                return false;
            }
            if (written != null && !written.get(LayerIndexes.unit(block))) {
                return true;
            }
            ByteBuffer bytes = BLOCK.get().clear();
            try {
                view.read(block, bytes);
            } catch (IOException _) {
                return false; // Stored then.
            }
            return page.mismatch(MemorySegment.ofBuffer(bytes.flip())) < 0;
        }

        long blockCount() {
            return view == null ? 0 : view.blockCount();
        }

        void close() {
            try (view) {
                if (index != null) {
                    index.close();
                }
            } catch (IOException _) {
                // Only read from.
            }
        }
    }
}
