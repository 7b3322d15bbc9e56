package dev.dormouse.checkpoint;

import com.sun.management.OperatingSystemMXBean;
import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageClass;
import dev.dormouse.image.WriterOptions;
import dev.dormouse.storage.SparseFile;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/// Measures the direct capture of a file with the memory of a guest, for extents and levels of several
/// kinds, and what reading a single page costs afterwards. A program, not a test. Arguments: the file,
/// in a tmpfs and with holes; a folder to write to; rounds; pairs of extent pages and level, as in `16:1`.
final class CaptureThroughput {
    private static final int THREADS = 2;
    private static final int SINGLE_PAGES = 20_000;

    private CaptureThroughput() {}

    public static void main(String[] arguments) throws IOException {
        Path image = Path.of(arguments[1]).resolve("throughput.dormouse");
        for (int round = 0; round < Integer.parseInt(arguments[2]); round++) {
            for (String kind : Arrays.copyOfRange(arguments, 3, arguments.length)) {
                String[] parts = kind.split(":", 2);
                WriterOptions options = WriterOptions.defaults()
                        .withCompressionThreads(THREADS)
                        .withExtentPages(Integer.parseInt(parts[0]))
                        .withCompressionLevel(Integer.parseInt(parts[1]));
                measure(Path.of(arguments[0]), image, options);
            }
        }
    }

    private static void measure(Path ram, Path image, WriterOptions options) throws IOException {
        long start = System.nanoTime();
        long startCpu = cpuNanos();
        long captured;
        try (SparseFile file = SparseFile.open(ram);
                ImageWriter writer = ImageWriter.create(
                        Storage.fileSystem(), image, List.of(new RamBlock("ram", file.lengthBytes())), options);
                var pipeline = new PagePipeline(writer, DiskLookup.NONE, THREADS);
                var memory = new MemoryCapture(file, 0, pipeline, _ -> {})) {
            memory.readPaused();
            captured = System.nanoTime();
            writer.publish();
        }
        long published = System.nanoTime();
        System.out.printf(
                Locale.ROOT,
                "| %2d | %2d | %.1f | %.0f | %.0f | %.0f | %s%n",
                options.extentPages(),
                options.compressionLevel(),
                Files.size(image) / 1e6,
                (cpuNanos() - startCpu) / 1e6,
                (captured - start) / 1e6,
                (published - start) / 1e6,
                singlePages(image));
        Files.delete(image);
    }

    /// {@return median and 99th percentile of reading, checking and decompressing one page, in µs}
    private static String singlePages(Path file) throws IOException {
        try (var image = ImageReader.open(file);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            var nanos = new long[SINGLE_PAGES];
            var random = new SplittableRandom(1);
            for (int i = 0; i < nanos.length; i++) {
                long frame = image.nextNonZero(random.nextLong(image.frameCount()));
                if (frame == image.frameCount() || image.pageClass(frame) != PageClass.STORED) {
                    i--;
                    continue;
                }
                long before = System.nanoTime();
                image.readExtent(image.extentIndex(frame), buffer);
                image.verifyPage(frame, buffer.page(image.slot(frame)));
                nanos[i] = System.nanoTime() - before;
            }
            Arrays.sort(nanos);
            return "%.1f | %.1f |".formatted(nanos[nanos.length / 2] / 1e3, nanos[nanos.length / 100 * 99] / 1e3);
        }
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
