package dev.dormouse.micro;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// Looking pages of an image up, and getting one: of random frames, each of which lies in another extent than the one
/// before. A quarter of the bytes of each page do not compress, every fourth page is zero.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ImageBenchmark {
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    /// Pages of the image.
    @Param("65536")
    public int pages;

    private Path file;
    private ImageReader image;
    private ExtentBuffer extent;
    private final SplittableRandom random = new SplittableRandom(42);

    /// Writes the image.
    @Setup
    public void write() throws IOException {
        file = Files.createTempFile("dormouse-micro", ".img");
        Files.delete(file);
        ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", (long) pages * PAGE)))) {
            for (int frame = 0; frame < pages; frame++) {
                if (frame % 4 == 0) {
                    writer.addZero(0, frame);
                } else {
                    fill(page, frame);
                    writer.addPage(0, frame, page.duplicate());
                }
            }
            writer.publish();
        }
        image = ImageReader.open(file);
        extent = image.newExtentBuffer();
    }

    private static void fill(ByteBuffer page, long seed) {
        var bytes = new SplittableRandom(seed);
        for (int at = 0; at < PAGE; at += Long.BYTES) {
            page.putLong(at, at < PAGE / 4 ? bytes.nextLong() : seed);
        }
    }

    /// Removes the image.
    @TearDown
    public void delete() throws IOException {
        extent.close();
        image.close();
        Files.delete(file);
    }

    private long randomFrame() {
        return random.nextInt(pages);
    }

    /// Which class a page has and in which extent it is.
    @Benchmark
    public int pageTableLookUp() throws IOException {
        long frame = randomFrame();
        return image.pageClass(frame) == PageClass.ZERO ? -1 : image.extentIndex(frame);
    }

    /// What a demand costs without placing: one read, decompression, both checks.
    @Benchmark
    public ByteBuffer readDecompressAndCheckAPage() throws IOException {
        long frame = randomFrame() | 1; // Not a zero page.
        image.readExtent(image.extentIndex(frame), extent);
        ByteBuffer page = extent.page(image.slot(frame));
        image.verifyPage(frame, page.duplicate());
        return page;
    }
}
