package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reads the answers of the incoming QEMU. One thread pulls; [#next] blocks. It must be pulled all the
/// time, since a full return path blocks QEMU's fault thread. A new connection needs a new reader: QEMU
/// forgets then which block it named last.
public final class ReturnPathReader {
    private static final int BUFFER_BYTES = 64 << 10;

    private final WireInput in;
    private final Map<String, RamBlock> blocks = new HashMap<>();
    private @Nullable RamBlock lastBlock;

    /// @param channel blocking
    /// @param resourceName what errors call the return path, such as the name of the VM
    /// @param blocks those of the RAM START that was sent
    public ReturnPathReader(ReadableByteChannel channel, String resourceName, List<RamBlock> blocks) {
        in = new WireInput(channel, resourceName, BUFFER_BYTES);
        for (RamBlock block : blocks) {
            this.blocks.put(block.name(), block);
        }
    }

    /// {@return the next event, or empty when QEMU has closed the connection}
    ///
    /// @throws ProtocolException if a message is damaged, cut, or asks for what no block has
    public Optional<ReturnPathEvent> next() throws IOException {
        in.enter("return path message");
        if (in.atEnd()) {
            return Optional.empty();
        }
        int type = in.u16();
        int length = in.u16();
        return Optional.of(
                switch (type) {
                    case WireFormat.RP_SHUT -> new ReturnPathMessage.Shut(value(type, length));
                    case WireFormat.RP_PONG -> new ReturnPathMessage.Pong(value(type, length));
                    case WireFormat.RP_REQ_PAGES_ID -> requestOfNamedBlock(length);
                    case WireFormat.RP_REQ_PAGES -> requestOfSameBlock(length);
                    case WireFormat.RP_RECV_BITMAP -> recvBitmap(length);
                    case WireFormat.RP_RESUME_ACK -> resumeAck(length);
                    case WireFormat.RP_SWITCHOVER_ACK -> {
                        checkLength(type, length, 0);
                        yield new ReturnPathMessage.SwitchoverAck();
                    }
                    default -> throw in.error("return path message of type " + type + ", 1 to 7 are allowed");
                });
    }

    private int value(int type, int length) throws IOException {
        checkLength(type, length, 4);
        return in.s32();
    }

    private ReturnPathEvent resumeAck(int length) throws IOException {
        int value = value(WireFormat.RP_RESUME_ACK, length);
        if (value != 1) {
            throw in.error("resume acknowledged with " + value + ", 1 is allowed");
        }
        return new ReturnPathMessage.ResumeAck(value);
    }

    private PageRequest requestOfNamedBlock(int length) throws IOException {
        if (length < 14) {
            throw in.error("request with block name has " + length + " bytes, 14 or more are allowed");
        }
        long offset = in.s64();
        int lengthBytes = in.s32();
        lastBlock = block();
        checkLength(WireFormat.RP_REQ_PAGES_ID, length, 13 + lastBlock.name().length());
        return request(lastBlock, offset, lengthBytes);
    }

    private PageRequest requestOfSameBlock(int length) throws IOException {
        checkLength(WireFormat.RP_REQ_PAGES, length, 12);
        if (lastBlock == null) {
            throw in.error("request for the same RAM block, but none was named yet");
        }
        return request(lastBlock, in.s64(), in.s32());
    }

    private PageRequest request(RamBlock block, long offset, int lengthBytes) throws ProtocolException {
        int pageBytes = block.pageSizeBytes();
        boolean aligned = offset % pageBytes == 0 && lengthBytes % pageBytes == 0;
        boolean inside = offset >= 0 && lengthBytes > 0 && offset <= block.lengthBytes() - lengthBytes;
        if (!aligned || !inside) {
            throw in.error(
                    "request for %d bytes at %#x of RAM block '%s', whole pages of %d bytes within %d are allowed"
                            .formatted(lengthBytes, offset, block.name(), pageBytes, block.lengthBytes()));
        }
        return new PageRequest(block, offset, lengthBytes);
    }

    private ReturnPathEvent recvBitmap(int length) throws IOException {
        RamBlock block = block();
        checkLength(WireFormat.RP_RECV_BITMAP, length, 1 + block.name().length());
        in.enter("received bitmap");
        long bytes = in.s64();
        long neededBytes = ReturnPathMessage.RecvBitmap.wireBytes(block.frameCount());
        if (bytes != neededBytes || !ReturnPathMessage.RecvBitmap.fits(block)) {
            throw in.error("bitmap of %d bytes for RAM block '%s', %d are allowed, and blocks below 8 TiB"
                    .formatted(bytes, block.name(), neededBytes));
        }
        // Little endian in both: bit i is bit i%8 of byte i/8.
        BitSet received = BitSet.valueOf(ByteBuffer.wrap(in.bytes((int) bytes)));
        int frameCount = (int) block.frameCount();
        received.clear(frameCount, Math.max(frameCount, received.length())); // Undefined on the wire.
        long end = in.s64();
        if (end != WireFormat.RECV_BITMAP_END) {
            throw in.error("bitmap ends with %#x, %#x is allowed".formatted(end, WireFormat.RECV_BITMAP_END));
        }
        return new ReturnPathMessage.RecvBitmap(block.name(), frameCount, received);
    }

    private RamBlock block() throws IOException {
        String name = in.str8();
        RamBlock block = blocks.get(name);
        if (block == null) {
            throw in.error("message for unknown RAM block '" + name + "'");
        }
        return block;
    }

    private void checkLength(int type, int length, int needed) throws ProtocolException {
        if (length != needed) {
            throw in.error(
                    "return path message of type " + type + " has " + length + " bytes, " + needed + " are allowed");
        }
    }
}
