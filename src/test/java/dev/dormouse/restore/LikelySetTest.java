package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What goes ahead at a VM's first restore.
class LikelySetTest {
    private static final int RAM_FRAMES = 100;
    private static final int SCREEN_FRAMES = 20;

    @TempDir
    Path folder;

    @Test
    void isWhatTheCaptureKnewAndWhatIsOnTheScreen() throws IOException {
        WorkingSet likely = likelySet(FrameRanges.of(3, 4, 70), 105, 119);

        assertThat(likely.frames()).containsExactly(3, 4, 70, 105, 119);
    }

    @Test
    void isNoneWhereNothingIsKnown() throws IOException {
        assertThat(likelySet(FrameRanges.EMPTY)).isNull();
    }

    private WorkingSet likelySet(FrameRanges heat, long... screen) throws IOException {
        Path image = folder.resolve("image");
        var blocks =
                List.of(new RamBlock("pc.ram", RAM_FRAMES * 4096L), new RamBlock("vga.vram", SCREEN_FRAMES * 4096L));
        try (var writer = ImageWriter.create(image, blocks)) {
            for (int frame = 0; frame < RAM_FRAMES; frame++) {
                writer.addPage(0, frame, page(frame + 1));
            }
            for (long frame : screen) {
                writer.addPage(1, frame - RAM_FRAMES, page((int) frame + 1));
            }
            writer.setHeatOrder(heat);
            writer.publish();
        }
        try (ImageReader reader = ImageReader.open(image);
                PreparedImage prepared = PreparedImage.of(reader)) {
            return prepared.likelySet();
        }
    }

    private static ByteBuffer page(int number) {
        return ByteBuffer.allocateDirect(4096).putInt(0, number);
    }
}
