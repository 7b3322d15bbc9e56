package dev.dormouse.bench;

import dev.dormouse.base.Json;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.ByteRange;
import dev.dormouse.index.DiskIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import dev.dormouse.qmp.DirtyBitmaps;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.LongPredicate;

/// Measures the index of a VM's own layer: how fast it is built, and what a refresh reads when a small part of
/// the layer was rewritten in place. A program of its own, `./dev bench refresh`; prints a line of JSON for each
/// round.
///
/// The layer is a sparse raw file of seeded random blocks. What the index must find is made anew from the seed,
/// not read from the file. All files are gone when the program ends, however it ends.
///
/// Arguments: rounds (1), virtual size in GiB (100), allocated GiB (20), percent rewritten (1); all optional.
/// Where the file system has less than half as much again as is to be allocated, less is, and the line says so.
public final class RefreshBench {
    private static final int SAMPLE_BLOCKS = 50_000;
    private static final long GIBIBYTE = 1L << 30;

    private final Map<String, Object> report = new LinkedHashMap<>();
    private final SyntheticLayer disk;
    private final Layer layer;
    private final QemuImg tools;
    private final IndexStore store;

    private RefreshBench(Path folder, SyntheticLayer disk, QemuImg tools) {
        this.disk = disk;
        this.layer = new Layer(disk.file().toString(), Layer.Format.RAW);
        this.tools = tools;
        this.store = new IndexStore(folder.resolve("indexes"), tools);
    }

    public static void main(String[] arguments) throws IOException {
        int rounds = (int) argument(arguments, 0, 1);
        long virtualGibibytes = argument(arguments, 1, 100);
        long wantedGibibytes = argument(arguments, 2, 20);
        long percent = argument(arguments, 3, 1);
        Path parent = Path.of(System.getProperty("dormouse.bench", "/var/tmp"));
        QemuImg tools = QemuTools.locate(null).images();
        for (int round = 0; round < rounds; round++) {
            Path folder = Files.createTempDirectory(parent, "dormouse-refresh");
            // Also for a round that is interrupted: these are the largest files of all benches.
            var removal = new Thread(() -> BenchEngine.deleteQuietly(folder));
            Runtime.getRuntime().addShutdownHook(removal);
            try {
                long room = Files.getFileStore(folder).getUsableSpace() / 3 * 2 / GIBIBYTE;
                long gibibytes = Math.min(wantedGibibytes, room);
                var disk = new SyntheticLayer(
                        folder.resolve("own.raw"), virtualGibibytes * GIBIBYTE, gibibytes * GIBIBYTE, 42 + round);
                var bench = new RefreshBench(folder, disk, tools);
                bench.report.put("scaledDown", gibibytes < wantedGibibytes);
                bench.run(percent);
                System.out.println(Json.write(bench.report));
            } finally {
                BenchEngine.deleteQuietly(folder);
                boolean _ = Runtime.getRuntime().removeShutdownHook(removal);
            }
        }
    }

    private static long argument(String[] arguments, int index, long otherwise) {
        return arguments.length > index ? Long.parseLong(arguments[index]) : otherwise;
    }

    private void run(long percent) throws IOException {
        report.put("format", layer.format().qemuName());
        report.put("virtualBytes", disk.virtualBytes());
        report.put("seed", disk.seed());
        disk.create();
        report.put("allocatedBytes", disk.allocatedBytes());
        LayerIdentity built = build();
        List<ByteRange> changed = disk.rewrite(disk.allocatedBytes() / 100 * percent);
        refresh(built, changed);
        recall();
    }

    private LayerIdentity build() throws IOException {
        BenchEngine.resetPeakHeap();
        long start = System.nanoTime();
        IndexStore.Opened opened = store.open(layer, IndexListener.NONE);
        double seconds = (System.nanoTime() - start) / 1e9;
        try (BlockIndex index = opened.index()) {
            report.put("buildSeconds", seconds);
            report.put("buildReadBytes", opened.readBytes());
            report.put("buildGigabytesPerSecond", opened.readBytes() / 1e9 / seconds);
            report.put("buildHeapBytesPeak", BenchEngine.peakHeapBytes());
            report.put("indexBytes", index.usedBytes());
        }
        return opened.identity();
    }

    private void refresh(LayerIdentity built, List<ByteRange> changed) throws IOException {
        long changedBytes = changed.stream().mapToLong(ByteRange::lengthBytes).sum();
        System.gc(); // What earlier steps left is not this one's.
        BenchEngine.resetPeakHeap();
        long processReadBytes = processReadBytes();
        long start = System.nanoTime();
        IndexStore.Opened opened = store.refresh(layer, built, asRecorded(changed), IndexListener.NONE);
        double millis = (System.nanoTime() - start) / 1e6;
        report.put("changedRanges", changed.size());
        report.put("changedBytes", changedBytes);
        report.put("refreshMillis", millis);
        report.put("refreshReadBytes", opened.readBytes());
        report.put("refreshProcessReadBytes", processReadBytes() - processReadBytes);
        report.put("refreshReadPerChanged", (double) opened.readBytes() / changedBytes);
        report.put("refreshHeapBytesPeak", BenchEngine.peakHeapBytes());
        start = System.nanoTime();
        opened.index().close(); // Waits for the disk, after the pause of the guest.
        report.put("refreshCloseMillis", (System.nanoTime() - start) / 1e6);
    }

    /// {@return the ranges as QEMU's dirty bitmap tells them: whole units of it, ascending}
    private static List<ByteRange> asRecorded(List<ByteRange> changed) {
        var units = new BitSet();
        for (ByteRange range : changed) {
            units.set(
                    Math.toIntExact(range.startBytes() / DirtyBitmaps.GRANULARITY_BYTES),
                    Math.toIntExact(Math.ceilDiv(range.endBytes(), DirtyBitmaps.GRANULARITY_BYTES)));
        }
        var recorded = new ArrayList<ByteRange>();
        units.stream()
                .forEach(unit -> ByteRange.append(
                        recorded, (long) unit * DirtyBitmaps.GRANULARITY_BYTES, DirtyBitmaps.GRANULARITY_BYTES));
        return recorded;
    }

    /// {@return what this process has read so far by system calls, as the kernel counts it: whatever the index says
    /// of itself}
    private static long processReadBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/io")).stream()
                .filter(line -> line.startsWith("rchar: "))
                .mapToLong(line -> Long.parseLong(line.substring("rchar: ".length())))
                .findFirst()
                .orElseThrow();
    }

    private void recall() throws IOException {
        var chain = new BackingChain(List.of(layer));
        try (var view = FrozenDiskView.open(chain, tools);
                var index = DiskIndex.open(chain, view, store, IndexListener.NONE)) {
            report.put("recallChanged", recall(index, disk::isChanged, 1));
            double share = (double) SAMPLE_BLOCKS / disk.allocatedBlocks();
            var random = new SplittableRandom(disk.seed());
            report.put("recallUnchanged", recall(index, block -> !disk.isChanged(block), share, random));
            report.put("unreadableBlocks", index.unreadableBlocks());
        }
    }

    private double recall(DiskIndex index, LongPredicate which, double share) {
        return recall(index, which, share, new SplittableRandom(0));
    }

    /// {@return the share of blocks that are found by the content that they have now}
    private double recall(DiskIndex index, LongPredicate which, double share, SplittableRandom random) {
        var content = new byte[SyntheticLayer.BLOCK_BYTES];
        var found = new long[2];
        MemorySegment page = MemorySegment.ofArray(content);
        disk.forEachBlock(block -> {
            if (which.test(block) && (share >= 1 || random.nextDouble() < share)) {
                disk.content(block, content);
                found[1]++;
                if (index.find(Xxh3.hash64(page), page, -1) >= 0) {
                    found[0]++;
                }
            }
        });
        return (double) found[0] / found[1];
    }
}
