package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Comparator;

/// Writes one RAM block of an image as a flat file: the byte at an offset of the block stands at that offset
/// of the file. Zero pages are holes. One thread.
public final class FlatExport {
    private final RamLayout layout;
    private final AllPages pages;

    /// The file.
    @FunctionalInterface
    public interface Target {
        /// Writes all that remains in the buffer; the position says where.
        void write(ByteBuffer bytes, long position) throws IOException;
    }

    public FlatExport(PreparedImage image, RestoreListener listener) {
        layout = image.layout();
        pages = new AllPages(image.source(), listener);
    }

    /// {@return the block that is the guest's memory: the largest of all}
    public RamBlock mainBlock() {
        return layout.blocks().stream()
                .max(Comparator.comparingLong(RamBlock::lengthBytes))
                .orElseThrow();
    }

    /// Writes the block, in no particular order.
    public void write(RamBlock block, Target file) throws IOException {
        long first = layout.firstFrame(layout.blockIndex(block));
        // So that the file is as long as the block even if its last page is a hole.
        file.write(ByteBuffer.allocate(1), block.lengthBytes() - 1);
        long end = first + block.frameCount();
        pages.place(new FilePlacer(file, first), frame -> frame >= first && frame < end);
    }

    private record FilePlacer(Target file, long firstFrame) implements PagePlacer {
        @Override
        public void place(long frame, ByteBuffer bytes) throws IOException {
            file.write(bytes.duplicate(), (frame - firstFrame) * RamBlock.TARGET_PAGE_BYTES);
        }

        @Override
        public void placeZeroes(long frame, int count) {}

        @Override
        public void flush() {}
    }
}
