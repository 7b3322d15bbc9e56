package dev.dormouse.image;

import com.sun.management.OperatingSystemMXBean;
import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// Measures how fast images are written and single extents read, for extents of 4, 16 and 64 pages, in the clear and
/// encrypted.
/// A program, not a test: it asserts nothing. Arguments: a directory to write to, then optionally a
/// file whose content serves as guest memory, instead of a seeded mix.
final class ImageThroughput {
    private static final int CHUNK_PAGES = 4096;
    private static final int REPEATS = 3;

    private ImageThroughput() {}

    public static void main(String[] arguments) throws IOException {
        Path directory = Path.of(arguments[0]);
        ByteBuffer[] memory = arguments.length > 1 ? load(Path.of(arguments[1])) : mix(256);
        long pages = Arrays.stream(memory).mapToLong(ByteBuffer::capacity).sum() / 4096;
        System.out.printf("%d MiB of memory, hashing by %s%n", (pages * 4096) >> 20, Xxh3.implementation());
        for (int extentPages : new int[] {4, 16, 64}) {
            for (int repeat = 0; repeat < REPEATS; repeat++) {
                WriterOptions options = WriterOptions.defaults().withExtentPages(extentPages);
                measure(directory.resolve("throughput.img"), memory, pages, options);
                measure(directory.resolve("throughput.img"), memory, pages, options.withKey(GoldenImage.KEY));
            }
        }
    }

    private static void measure(Path file, ByteBuffer[] memory, long pages, WriterOptions options) throws IOException {
        long start = System.nanoTime();
        long startCpu = cpuNanos();
        long added;
        try (var writer =
                ImageWriter.create(Storage.fileSystem(), file, List.of(new RamBlock("ram", pages * 4096)), options)) {
            long frame = 0;
            for (ByteBuffer chunk : memory) {
                for (int at = 0; at < chunk.capacity(); at += 4096) {
                    writer.addPage(0, frame++, chunk.slice(at, 4096));
                }
            }
            added = System.nanoTime();
            writer.publish();
        }
        long published = System.nanoTime();
        System.out.printf(
                "%2d pages, %s: %5.0f MB/s adding, %5.0f MB/s with publication, %5.0f MB a second of processor time%n",
                options.extentPages(),
                options.key() == null ? "plain    " : "encrypted",
                megabytesPerSecond(pages, added - start),
                megabytesPerSecond(pages, published - start),
                megabytesPerSecond(pages, cpuNanos() - startCpu));
        read(file);
        Files.delete(file);
    }

    private static void read(Path file) throws IOException {
        long start = System.nanoTime();
        try (var image = ImageReader.open(Storage.fileSystem(), file, _ -> GoldenImage.KEY);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            long opened = System.nanoTime() - start;
            var nanos = new long[20_000];
            var random = new SplittableRandom(1);
            for (int i = 0; i < nanos.length; i++) {
                int extent = random.nextInt(image.extentCount());
                long[] frames = image.framesOfExtent(extent);
                long before = System.nanoTime();
                image.readExtent(extent, buffer);
                image.verifyPage(frames[0], buffer.page(0));
                nanos[i] = System.nanoTime() - before;
            }
            Arrays.sort(nanos);
            var summary = ImageInspection.of(image);
            System.out.printf(
                    "          ratio %.3f, page table %.1f bytes a page, opened in %.1f ms, one page p50 %.1f us,"
                            + " p99 %.1f us%n          %s%n",
                    summary.compressionRatio(),
                    summary.bytes().pageTable()
                            / (double)
                                    (summary.pages().total() - summary.pages().zero()),
                    opened / 1e6,
                    nanos[nanos.length / 2] / 1e3,
                    nanos[nanos.length / 100 * 99] / 1e3,
                    summary.pages());
        }
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static double megabytesPerSecond(long pages, long nanos) {
        return pages * 4096 * 1e3 / nanos;
    }

    private static ByteBuffer[] load(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long chunks = channel.size() / 4096 / CHUNK_PAGES;
            var memory = new ByteBuffer[(int) chunks];
            for (int i = 0; i < memory.length; i++) {
                memory[i] = ByteBuffer.allocateDirect(CHUNK_PAGES * 4096);
                while (memory[i].hasRemaining()) {
                    channel.read(memory[i]);
                }
                memory[i].clear();
            }
            return memory;
        }
    }

    /// A fifth zero, a twentieth duplicates, a fifth random, the rest words of a small vocabulary.
    private static ByteBuffer[] mix(int megabytes) {
        var random = new SplittableRandom(42);
        var memory = new ByteBuffer[megabytes / 16];
        for (int i = 0; i < memory.length; i++) {
            memory[i] = ByteBuffer.allocateDirect(CHUNK_PAGES * 4096);
            for (int at = 0; at < memory[i].capacity(); at += 4096) {
                fill(memory[i], at, random);
            }
        }
        return memory;
    }

    private static void fill(ByteBuffer memory, int at, SplittableRandom random) {
        int kind = random.nextInt(20);
        if (kind < 4) {
            return;
        }
        if (kind == 4 && at > 0) {
            memory.put(at, memory, random.nextInt(at / 4096) * 4096, 4096);
            return;
        }
        for (int i = 0; i < 4096; i += 8) {
            memory.putLong(at + i, kind < 9 ? random.nextLong() : random.nextInt(2000) * 0x9e37_79b9L);
        }
    }
}
