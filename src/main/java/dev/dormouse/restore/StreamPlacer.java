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
    public void place(long frame, ByteBuffer page) throws IOException {
        out.page(block(frame), layout.offset(frame), page);
    }

    @Override
    public void placeZero(long frame) throws IOException {
        out.zeroPage(block(frame), layout.offset(frame));
    }

    @Override
    public void flush() throws IOException {
        out.flush();
    }

    private RamBlock block(long frame) {
        return layout.blocks().get(layout.blockIndex(frame));
    }
}
