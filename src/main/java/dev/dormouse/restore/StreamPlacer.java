package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.MigrationStreamWriter;
import java.io.IOException;
import java.nio.ByteBuffer;

/// Places pages through QEMU's migration stream: the way that needs no permission beyond the socket.
/// QEMU's own thread does the `UFFDIO_COPY`, one page at a time, in the order sent.
final class StreamPlacer implements PagePlacer {
    private final MigrationStreamWriter out;
    private final RamLayout layout;

    /// @param out with a RAM part open
    StreamPlacer(MigrationStreamWriter out, RamLayout layout) {
        this.out = out;
        this.layout = layout;
    }

    @Override
    public void place(long frame, ByteBuffer pages) throws IOException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        for (int i = 0; i < count; i++) {
            int start = pages.position() + i * RamBlock.TARGET_PAGE_BYTES;
            out.page(block(frame + i), layout.offset(frame + i), pages.slice(start, RamBlock.TARGET_PAGE_BYTES));
        }
    }

    @Override
    public void placeZeroes(long frame, int count) throws IOException {
        for (long page = frame; page < frame + count; page++) {
            out.zeroPage(block(page), layout.offset(page));
        }
    }

    @Override
    public void flush() throws IOException {
        out.flush();
    }

    private RamBlock block(long frame) {
        return layout.blocks().get(layout.blockIndex(frame));
    }
}
