package dev.dormouse.disk;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A disk, or one layer of it, that nobody writes, read from its files. Where each part lies is asked of
/// `qemu-img map` once, when the view is opened; what has no plain place in a file (compressed clusters and
/// whatever else QEMU can read) comes from a `qemu-nbd` that is started at the first such read. Any thread.
public final class FrozenDiskView implements LayerView {
    private static final int SECTOR_BYTES = 512;
    private static final long EXPORT_KEY = (long) ExtentMap.LAYERS_MAX << 48;

    private final String name;
    private final List<LayerFile> files; // Top first, as QEMU counts.
    private final ExtentMap extents;
    private final NbdExport export;
    private final UpperLayers upper;
    private final long blockCount;

    private FrozenDiskView(String name, List<LayerFile> files, ExtentMap extents, NbdExport export, UpperLayers upper) {
        this.name = name;
        this.files = files;
        this.extents = extents;
        this.export = export;
        this.upper = upper;
        this.blockCount = extents.endBytes() / BLOCK_BYTES;
    }

    /// Opens the whole disk. The chain counts, not what the headers of its files say about their backing.
    ///
    /// @throws DiskException if a file is missing, or not what the chain says
    public static FrozenDiskView open(BackingChain chain, QemuImg tools) throws IOException {
        if (chain.depth() >= ExtentMap.LAYERS_MAX) {
            throw new DiskException("%s: has %d layers, fewer than %d are allowed"
                    .formatted(chain.top().path(), chain.depth(), ExtentMap.LAYERS_MAX));
        }
        var files = new ArrayList<LayerFile>();
        ExtentMap extents = new ExtentMap();
        boolean complete = false;
        try {
            for (Layer layer : chain.layers().reversed()) {
                files.add(LayerFile.open(layer));
            }
            Map<String, Object> node = LayerFile.nodeOf(files);
            String path = chain.top().path();
            var upper = new UpperLayers(chain.depth());
            tools.map(path, node, map -> {
                upper.add(map);
                add(extents, map, files, path);
            });
            var view = new FrozenDiskView(path, files, extents, new NbdExport(path, tools.server(), node), upper);
            complete = true;
            return view;
        } finally {
            if (!complete) {
                extents.close();
                closeAll(files);
            }
        }
    }

    /// Opens one layer alone: what it leaves to the layers below reads as zeros.
    public static FrozenDiskView openLayer(Layer layer, QemuImg tools) throws IOException {
        return open(new BackingChain(List.of(layer)), tools);
    }

    /// Appends what `qemu-img` says next of a disk, checked against what there is.
    static void add(ExtentMap extents, MapReader map, List<LayerFile> files, String path) throws DiskException {
        if (map.start() != extents.endBytes() || map.length() > Long.MAX_VALUE - map.start()) {
            throw new DiskException("%s: its map has an extent of %d bytes at %d where %d was expected"
                    .formatted(path, map.length(), map.start(), extents.endBytes()));
        }
        if (map.depth() >= files.size()) {
            if (map.isZero()) {
                extents.add(map.length(), ExtentMap.ZERO);
                return;
            }
            throw new DiskException("%s: its map names layer %d, the chain has %d: look at it with 'qemu-img info'"
                    .formatted(path, map.depth(), files.size()));
        }
        if (map.isZero()) {
            extents.add(map.length(), ExtentMap.ZERO);
        } else if (map.isData()
                && map.offset() >= 0
                && files.get((int) map.depth()).isDirect()) {
            addDirect(extents, (int) map.depth(), map.offset(), map.length(), files);
        } else {
            extents.add(map.length(), ExtentMap.EXPORT);
        }
    }

    /// QEMU rounds a file up to whole sectors and reads zeros there; what would be further behind the end of
    /// a file is for QEMU to explain.
    private static void addDirect(ExtentMap extents, int layer, long offset, long length, List<LayerFile> files) {
        long inFile = Math.clamp(files.get(layer).lengthBytes() - offset, 0L, length);
        extents.add(inFile, ExtentMap.place(layer, offset));
        extents.add(length - inFile, length - inFile < SECTOR_BYTES ? ExtentMap.ZERO : ExtentMap.EXPORT);
    }

    @Override
    public long blockCount() {
        return blockCount;
    }

    /// {@return the size of the disk, with what stands after the last whole block}
    public long sizeBytes() {
        return extents.endBytes();
    }

    /// {@return what tells which parts of the disk come from which layer, be it as zeros, those of the bottom
    /// layer left out: with the content of each layer it says what the disk shows}
    public String upperLayers() {
        return upper.digest();
    }

    /// {@return the unit in which the top layer takes space: with a byte that is written, all of its cluster
    /// comes into the layer, copied from below}
    public int clusterBytes() {
        return files.getFirst().clusterBytes();
    }

    @Override
    public void read(long block, ByteBuffer into) throws IOException {
        checkRange(block, into.remaining());
        long at = block * BLOCK_BYTES;
        int end = into.limit();
        try {
            for (long extent = extents.find(at); into.position() < end; extent++) {
                int start = into.position();
                int length = (int) Math.min(end - start, extents.endBytes(extent) - at);
                into.limit(start + length);
                readExtent(extent, at, into);
                into.position(start + length);
                at += length;
            }
        } finally {
            into.limit(end);
        }
    }

    private void checkRange(long block, int lengthBytes) throws DiskException {
        if (lengthBytes % BLOCK_BYTES != 0) {
            throw new IllegalArgumentException(lengthBytes + " bytes are not whole blocks of " + BLOCK_BYTES);
        }
        if (block < 0 || block > blockCount - lengthBytes / BLOCK_BYTES) {
            throw new DiskException("%s: %d bytes from block %d are asked for, the disk has %d whole blocks"
                    .formatted(name, lengthBytes, block, blockCount));
        }
    }

    private void readExtent(long extent, long at, ByteBuffer into) throws IOException {
        long place = extents.place(extent);
        if (place == ExtentMap.ZERO) {
            MemorySegment.ofBuffer(into).fill((byte) 0);
        } else if (place == ExtentMap.EXPORT) {
            export.read(at, into);
        } else {
            LayerFile file = files.get(ExtentMap.layer(place));
            try {
                file.data().readFully(into, ExtentMap.offset(place) + at - extents.startBytes(extent));
            } catch (EOFException e) {
                throw new DiskException(
                        "%s: disk layer became shorter than the %d bytes that it had, put the unchanged file back"
                                .formatted(file.dataPath(), file.lengthBytes()),
                        e);
            }
        }
    }

    @Override
    public void willNeed(long block, int count) {
        long at = block * BLOCK_BYTES;
        long end = at + (long) count * BLOCK_BYTES;
        for (long extent = extents.find(at); at < end; extent++) {
            long length = Math.min(end, extents.endBytes(extent)) - at;
            long place = extents.place(extent);
            if (ExtentMap.isInFile(place)) {
                long position = ExtentMap.offset(place) + at - extents.startBytes(extent);
                files.get(ExtentMap.layer(place)).data().willNeed(position, length);
            }
            at += length;
        }
    }

    @Override
    public long readingOrder(long block) {
        if (block < 0 || block >= blockCount) {
            throw new IllegalArgumentException("block " + block + " of a disk of " + blockCount);
        }
        long at = block * BLOCK_BYTES;
        long extent = extents.find(at);
        long place = extents.place(extent);
        return ExtentMap.isInFile(place) ? place + at - extents.startBytes(extent) : EXPORT_KEY + block;
    }

    @Override
    public boolean isZero(long block, long blocks) {
        if (blocks == 0) {
            return true;
        }
        long extent = extents.find(block * BLOCK_BYTES);
        return extents.place(extent) == ExtentMap.ZERO
                && extents.endBytes(extent) >= (block + blocks) * (long) BLOCK_BYTES;
    }

    @Override
    public DataExtents dataExtents() {
        return new Cursor(extents);
    }

    /// {@return whether a `qemu-nbd` serves it now}
    boolean usesServer() {
        return export.isStarted();
    }

    /// {@return how many extents the map has}
    long extentCount() {
        return extents.count();
    }

    @Override
    public void close() throws IOException {
        try (export) {
            extents.close();
        } finally {
            closeAll(files);
        }
    }

    private static void closeAll(List<LayerFile> files) throws IOException {
        @Nullable IOException failure = null;
        for (LayerFile file : files) {
            try {
                file.close();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static final class Cursor implements DataExtents {
        private final ExtentMap extents;
        private long next;
        private long start;
        private long end;

        Cursor(ExtentMap extents) {
            this.extents = extents;
        }

        @Override
        public boolean next() {
            while (next < extents.count() && extents.place(next) == ExtentMap.ZERO) {
                next++;
            }
            if (next >= extents.count()) {
                return false;
            }
            start = extents.startBytes(next);
            while (next < extents.count() && extents.place(next) != ExtentMap.ZERO) {
                end = extents.endBytes(next++);
            }
            return true;
        }

        @Override
        public long startBytes() {
            return start;
        }

        @Override
        public long lengthBytes() {
            return end - start;
        }
    }
}
