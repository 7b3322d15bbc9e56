package dev.dormouse.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A guest of 24 GiB, nearly all of it zero, captured in a process with little heap: what took 16 bytes a page would
/// need three times of it.
@Tag("qemu")
class HugeGuestTest {
    private static final int PAGES = 6 << 20;
    private static final int STEP = 4000; // Each page in a chunk of the page table of its own, nearly.

    @TempDir
    Path folder;

    @Test
    void needsLittleHeapForMuchMemory() throws IOException {
        String output = Command.run(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx32m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        CaptureChild.class.getName(),
                        folder.toString()),
                Duration.ofMinutes(3));

        assertThat(output.strip()).isEqualTo("1574 pages, of the second pass 1");
    }

    /// Captures the memory in two passes, in a process of its own.
    static final class CaptureChild {
        private CaptureChild() {}

        public static void main(String[] arguments) throws IOException {
            Path folder = Path.of(arguments[0]);
            Path image = folder.resolve("image");
            try (var guest = new GuestFile(folder.resolve("ram"), PAGES)) {
                for (int page = 0; page < PAGES; page += STEP) {
                    guest.write(page, page + 1);
                }
                capture(guest, image);
            }
        }

        private static void capture(GuestFile guest, Path image) throws IOException {
            try (SparseFile file = SparseFile.open(guest.path);
                    PageSums earlier = PageSums.of(file, 2);
                    ImageWriter writer = ImageWriter.create(image, List.of(guest.block));
                    var pipeline = new PagePipeline(writer, DiskLookup.NONE, 2);
                    var memory = new MemoryCapture(file, 0, pipeline, _ -> {})) {
                pipeline.keepBack(new Heat(FrameRanges.EMPTY, earlier));
                memory.readRunning();
                guest.write(1, 5);
                memory.readPaused();
                pipeline.complete(guest.block);
                writer.publish();
                try (ImageReader reader = ImageReader.open(image)) {
                    int[] pages = {0};
                    reader.forEachNonZero((_, _, _, _) -> pages[0]++);
                    System.out.println(pages[0] + " pages, of the second pass "
                            + pipeline.hotFrames().frameCount());
                }
            }
        }
    }
}
