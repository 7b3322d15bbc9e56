package dev.dormouse.index;

import com.sun.management.OperatingSystemMXBean;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.SplittableRandom;

/// Measures how fast an index is built, refreshed and asked. A program, not a test: it asserts nothing.
/// Arguments: a raw or qcow2 disk, which is not changed and should be in the page cache, and a folder for
/// the index.
final class IndexThroughput {
    private static final int BLOCK = DiskView.BLOCK_BYTES;
    private static final int REPEATS = 5;

    private IndexThroughput() {}

    public static void main(String[] arguments) throws IOException {
        var tools = new QemuImg(Path.of("/usr/bin/qemu-img"));
        BackingChain chain = tools.backingChain(Path.of(arguments[0]));
        Layer layer = chain.top();
        var store = new IndexStore(Path.of(arguments[1]), tools);
        System.out.printf("%s, hashing by %s%n", layer, Xxh3.implementation());
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            Files.deleteIfExists(store.file(layer));
            build(store, layer);
        }
        try (BlockIndex index = store.open(layer, IndexListener.NONE).index()) {
            lookUp(index);
            refresh(index, layer, tools);
        }
        try (var view = FrozenDiskView.open(chain, tools);
                DiskIndex index = DiskIndex.open(chain, view, store, IndexListener.NONE)) {
            find(index, view, true);
            find(index, view, false);
        }
        System.out.printf("heap at most %d MiB%n", heapPeakBytes() >> 20);
    }

    private static void build(IndexStore store, Layer layer) throws IOException {
        long start = System.nanoTime();
        long startCpu = cpuNanos();
        IndexStore.Opened opened = store.open(layer, IndexListener.NONE);
        long nanos = System.nanoTime() - start;
        try (BlockIndex index = opened.index()) {
            System.out.printf(
                    "build: %.2f GB read, %.2f s, %.2f GB/s, %.2f GB a second of processor time; %d blocks, %.2f bytes a block%n",
                    opened.readBytes() / 1e9,
                    nanos / 1e9,
                    (double) opened.readBytes() / nanos,
                    (double) opened.readBytes() / (cpuNanos() - startCpu),
                    index.indexedBlocks(),
                    (double) index.usedBytes() / Math.max(1, index.indexedBlocks()));
        }
    }

    private static void lookUp(BlockIndex index) {
        var random = new SplittableRandom(1);
        var found = new long[BlockTable.COPIES_MAX];
        int rounds = 2_000_000;
        long start = System.nanoTime();
        long hits = 0;
        for (int i = 0; i < rounds; i++) {
            hits += index.lookup(random.nextLong(), found);
        }
        System.out.printf(
                "look-up that misses: %.0f ns (%d hits)%n", (System.nanoTime() - start) / (double) rounds, hits);
    }

    private static void refresh(BlockIndex index, Layer layer, QemuImg tools) throws IOException {
        try (var view = FrozenDiskView.openLayer(layer, tools)) {
            var random = new SplittableRandom(2);
            var ranges = new ArrayList<ByteRange>();
            for (int i = 0; i < view.blockCount() / 1600; i++) { // 1 % in pieces of 64 KiB.
                ranges.add(new ByteRange(random.nextLong(view.sizeBytes() / 65536) * 65536, 65536));
            }
            long start = System.nanoTime();
            long bytes = index.refresh(view, ranges, LayerIdentity.of(layer), IndexListener.NONE);
            System.out.printf(
                    "refresh of %.1f MB unchanged: %.1f ms%n", bytes / 1e6, (System.nanoTime() - start) / 1e6);
        }
    }

    private static void find(DiskIndex index, DiskView view, boolean runs) throws IOException {
        var random = new SplittableRandom(3);
        int pages = (int) Math.min(view.blockCount(), 100_000);
        ByteBuffer page = ByteBuffer.allocateDirect(BLOCK);
        MemorySegment bytes = MemorySegment.ofBuffer(page.duplicate());
        long nanos = 0;
        long hint = -1;
        int found = 0;
        for (int i = 0; i < pages; i++) {
            view.read(runs ? i : random.nextLong(view.blockCount()), page.clear());
            long checksum = Xxh3.hash64(bytes);
            long start = System.nanoTime();
            long block = index.find(checksum, bytes, hint);
            nanos += System.nanoTime() - start;
            hint = runs ? block + 1 : -1;
            found += block >= 0 ? 1 : 0;
        }
        System.out.printf(
                "find in %s: %.2f us a page, %d of %d found%n",
                runs ? "runs" : "random order", nanos / 1e3 / pages, found, pages);
    }

    private static long heapPeakBytes() {
        return ManagementFactory.getMemoryPoolMXBeans().stream()
                .filter(pool -> pool.getType() == MemoryType.HEAP)
                .map(MemoryPoolMXBean::getPeakUsage)
                .mapToLong(usage -> usage.getUsed())
                .sum();
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
