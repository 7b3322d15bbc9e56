package dev.dormouse.restore;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.FutureTask;

/// Replays a demand trace against the page-fault server with a real image, without QEMU: the guest is a thread that
/// touches what the trace says and waits for what is not there, placing is a copy into memory of this process. So a
/// change of the server can be judged in seconds. A program of its own, `./dev bench serve`; prints a line of JSON
/// for each run.
///
/// Arguments: runs (5), MiB of the guest (512), a trace to replay; without one a trace is generated. The first run
/// warms the JVM up, and says so. A second run of a pair has the working set that the run before it learnt.
final class ServeBench {
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    private static final long SEED = 42;
    private static final int RUN_PAGES = 64; // Pages of one class lie together, as files and heaps do.

    private ServeBench() {}

    public static void main(String[] arguments) throws Exception {
        int runs = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 5;
        int mebibytes = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 512;
        Path folder = Files.createTempDirectory(Path.of("/var/tmp"), "dormouse-serve");
        try {
            DemandTrace trace = arguments.length > 2
                    ? DemandTrace.read(Path.of(arguments[2]))
                    : DemandTrace.generate(SEED, mebibytes << 8, mebibytes << 4, 200_000);
            run(folder, trace, runs, System.out);
        } finally {
            for (String name : List.of("guest.dormouse", "disk.raw")) {
                Files.deleteIfExists(folder.resolve(name));
            }
            Files.delete(folder);
        }
    }

    static void run(Path folder, DemandTrace trace, int runs, PrintStream out) throws Exception {
        Path image = writeImage(folder, trace.frameCount());
        for (int run = 0; run <= runs; run++) {
            WorkingSet learnt = replay(image, folder, trace, null, run, out);
            replay(image, folder, trace, learnt, run, out);
        }
    }

    /// A quarter of the pages zero, a quarter on the disk, the rest stored, a quarter of whose bytes do not compress.
    private static Path writeImage(Path folder, int frames) throws IOException {
        Path image = folder.resolve("guest.dormouse");
        ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
        var random = new SplittableRandom(SEED);
        long diskBlock = 0;
        try (FileChannel disk = FileChannel.open(
                        folder.resolve("disk.raw"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var writer = ImageWriter.create(image, List.of(new RamBlock("pc.ram", (long) frames * PAGE)))) {
            for (int frame = 0; frame < frames; frame++) {
                int kind = (frame / RUN_PAGES) % 4;
                for (int at = 0; at < PAGE; at += Long.BYTES) {
                    page.putLong(at, kind == 1 || at < PAGE / 4 ? random.nextLong() : frame + 1L);
                }
                if (kind == 0) {
                    writer.addZero(0, frame);
                } else if (kind == 1) {
                    disk.write(page.duplicate(), diskBlock * PAGE);
                    writer.addOnDisk(0, frame, 0, diskBlock, Xxh3.hash64(MemorySegment.ofBuffer(page)));
                    diskBlock++;
                } else {
                    writer.addPage(0, frame, page.duplicate());
                }
            }
            writer.setDiskBlockCounts(Math.max(1, diskBlock));
            writer.publish();
        }
        return image;
    }

    private static WorkingSet replay(
            Path image, Path folder, DemandTrace trace, WorkingSet expected, int run, PrintStream out)
            throws Exception {
        try (ImageReader reader = ImageReader.open(image);
                var prepared = PreparedImage.of(reader, List.of(new RawFileView(folder.resolve("disk.raw"))))) {
            PageSource source = prepared.source();
            var demands = new DemandQueue();
            var guest = new ReplayedGuest(trace, demands);
            var trial =
                    new WorkingSetTrial(expected, source, RestoreOptions.DEFAULT.neighbourPages(), new Random(SEED));
            var server = new PageFaultServer(
                    source,
                    guest,
                    demands,
                    new RestoreListener() {},
                    RestoreOptions.DEFAULT,
                    trial,
                    new FrameSet(source.frameCount()),
                    Surroundings.of(0));
            var replaying = new FutureTask<>(guest::run, null);
            long start = System.nanoTime();
            Thread.ofPlatform().daemon().name("replayed-guest").start(replaying);
            server.run();
            double completeMillis = (System.nanoTime() - start) / 1e6;
            guest.allPlaced(); // What is left of the trace touches zero pages, which QEMU has from the end on.
            replaying.get();
            out.println(Json.write(line(guest, server.outcome(), source, completeMillis, expected != null, run)));
            return trial.next();
        }
    }

    private static Map<String, Object> line(
            ReplayedGuest guest,
            ServingOutcome outcome,
            PageSource source,
            double completeMillis,
            boolean workingSetKnown,
            int run) {
        var line = new LinkedHashMap<String, Object>();
        line.put("bench", "serve");
        line.put("run", run);
        if (run == 0) {
            line.put("warmUp", true);
        }
        line.put("workingSetKnown", workingSetKnown);
        line.put("nonZeroPages", source.nonZeroCount());
        line.put("touches", guest.touches());
        line.put("guestWaits", guest.waits());
        line.put("guestWaitMicrosP50", guest.latency().quantileNanos(0.5) / 1e3);
        line.put("guestWaitMicrosP99", guest.latency().quantileNanos(0.99) / 1e3);
        line.put("guestWaitMicrosMax", guest.latency().maxNanos() / 1e3);
        line.put("demandMicrosP50", outcome.latency().quantileNanos(0.5) / 1e3);
        line.put("demandMicrosP99", outcome.latency().quantileNanos(0.99) / 1e3);
        line.put("demandMicrosMax", outcome.latency().maxNanos() / 1e3);
        line.put("traceMs", guest.traceMillis());
        line.put("traceWithoutWaitsMs", guest.thinkMillis());
        line.put("completeMs", completeMillis);
        line.put("gigabytesPerSecond", source.nonZeroCount() * PAGE / 1e6 / completeMillis);
        return line;
    }
}
