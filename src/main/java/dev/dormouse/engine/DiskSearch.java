package dev.dormouse.engine;

import dev.dormouse.checkpoint.DiskLookup;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.index.BlockIndex;
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
    private final boolean finds;
    private final OperationListener listener;
    private volatile List<Disk> disks = List.of();

    private DiskSearch(LayerIndexes indexes, List<BackingChain> chains, boolean finds, OperationListener listener) {
        this.indexes = indexes;
        this.chains = chains;
        this.finds = finds;
        this.listener = listener;
    }

    /// Finds nothing before [#openRunning] or [#freeze].
    ///
    /// @param finds false if no page is to be left out: then the disks are only described
    static DiskSearch of(LayerIndexes indexes, List<BackingChain> chains, boolean finds, OperationListener listener) {
        return new DiskSearch(indexes, chains, finds, listener);
    }

    /// Brings the indexes up to date while the guest runs, so that pages are looked for before [#freeze],
    /// too. May read all of a disk that was never indexed, as [#prepare] does.
    void openRunning() {
        reopen(true);
    }

    /// Brings the indexes up to date while the guest runs, so that little is left for its pause.
    void prepare() {
        for (int i = 0; i < chains.size(); i++) {
            try {
                indexes.prepare(i, chains.get(i));
            } catch (IOException _) {
                // Told when the guest stands still, if it is so then, too.
            }
        }
    }

    /// To be called when the guest stands still and its QEMU still owns the images.
    void freeze() {
        reopen(false);
    }

    private void reopen(boolean running) {
        var opened = new ArrayList<Disk>();
        for (int i = 0; i < chains.size(); i++) {
            opened.add(reopen(i, running));
        }
        List<Disk> before = disks;
        disks = List.copyOf(opened);
        before.forEach(Disk::close);
    }

    private Disk reopen(int disk, boolean running) {
        BackingChain chain = chains.get(disk);
        try {
            LayerIndexes.Refreshed top = indexes.refresh(disk, chain, running);
            return open(chain, top);
        } catch (IOException e) {
            listener.step("storing pages of disk " + disk + " that are on it, too, because " + e.getMessage());
            return Disk.UNKNOWN;
        }
    }

    private Disk open(BackingChain chain, LayerIndexes.Refreshed top) throws IOException {
        boolean complete = false;
        try {
            FrozenDiskView view = indexes.view(chain);
            try {
                var opened = new Disk(view, indexes.open(top.index(), chain, view), top.written());
                complete = true;
                return opened;
            } finally {
                if (!complete) {
                    view.close();
                }
            }
        } finally {
            if (!complete) {
                top.index().close();
            }
        }
    }

    @Override
    public long find(long checksum, MemorySegment page, long hint) {
        List<Disk> now = finds ? disks : List.of();
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

    /// To be called when the layers are frozen and synced, after [#freeze].
    ///
    /// @param frozen the disks, as they were identified then
    /// @return the same with what is known of the content of their layers
    List<FrozenDisk> describe(List<FrozenDisk> frozen) {
        List<Disk> now = disks;
        var described = new ArrayList<FrozenDisk>();
        for (int i = 0; i < frozen.size(); i++) {
            described.add(i < now.size() ? describe(i, frozen.get(i), now.get(i)) : frozen.get(i));
        }
        return List.copyOf(described);
    }

    private FrozenDisk describe(int number, FrozenDisk frozen, Disk disk) {
        if (disk.index() == null || disk.view() == null) {
            return frozen; // Its layers have to stay the very same files.
        }
        List<BlockIndex> layers = disk.index().layers().reversed();
        try {
            indexes.confirm(number, frozen.layers().getLast(), layers.size(), layers.getLast());
        } catch (IOException _) {
            return frozen; // Then the index is made anew when it is needed.
        }
        var digests = new ArrayList<String>();
        for (int i = 0; i < layers.size(); i++) {
            BlockIndex index = layers.get(i);
            digests.add(index.isOf(frozen.layers().get(i)) ? index.digest().toString() : "");
        }
        return frozen.withContent(digests, disk.view().upperLayers());
    }

    /// {@return per disk its whole blocks, as far as a page may refer to them}
    long[] blockCounts() {
        return finds ? disks.stream().mapToLong(Disk::blockCount).toArray() : new long[0];
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
