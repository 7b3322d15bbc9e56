package dev.dormouse.micro;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageKey;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageClass;
import dev.dormouse.image.WriterOptions;
import dev.dormouse.storage.Storage;
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

    /// Whether it is encrypted.
    @Param({"false", "true"})
    public boolean encrypted;

    private Path keyFile;
    private ImageKey key;
    private Path file;
    private ByteBuffer memory;
    private ImageReader image;
    private ExtentBuffer extent;
    private final SplittableRandom random = new SplittableRandom(42);

    /// Writes the image.
    @Setup
    public void write() throws IOException {
        file = Files.createTempFile("dormouse-micro", ".img");
        Files.delete(file);
        keyFile = Files.write(Files.createTempFile("dormouse-micro", ".key"), new byte[32]);
        key = ImageKey.read(keyFile);
        fill();
        writeTo(file);
        image = ImageReader.open(Storage.fileSystem(), file, _ -> key);
        extent = image.newExtentBuffer();
    }

    private void fill() {
        memory = ByteBuffer.allocateDirect(pages * PAGE);
        for (int frame = 0; frame < pages; frame++) {
            if (frame % 4 != 0) {
                fill(memory.slice(frame * PAGE, PAGE), frame);
            }
        }
    }

    private void writeTo(Path target) throws IOException {
        WriterOptions options = WriterOptions.defaults().withKey(encrypted ? key : null);
        var blocks = List.of(new RamBlock("ram", (long) pages * PAGE));
        try (var writer = ImageWriter.create(Storage.fileSystem(), target, blocks, options)) {
            for (int frame = 0; frame < pages; frame++) {
                if (frame % 4 == 0) {
                    writer.addZero(0, frame);
                } else {
                    writer.addPage(0, frame, memory.slice(frame * PAGE, PAGE));
                }
            }
            writer.publish();
        }
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
        Files.delete(keyFile);
    }

    private long randomFrame() {
        return random.nextInt(pages);
    }

    /// Writes the whole image and publishes it, with the wait for the disk.
    @Benchmark
    @OutputTimeUnit(TimeUnit.MILLISECONDS)
    public void writeAnImage() throws IOException {
        writeTo(file.resolveSibling(file.getFileName() + "-again"));
        Files.delete(file.resolveSibling(file.getFileName() + "-again"));
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
