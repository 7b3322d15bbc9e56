package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.Subsection;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Writes a migration stream as its source: for a restore, or (in tests) as the QEMU of a capture.
///
/// One thread owns it. Everything collects in one buffer that leaves when it is full or on [#flush]; the
/// destination sees nothing earlier. It knows the wire, not the protocol's order: which message may
/// come when is in `docs/protocol.md`. Page records name their block only when it changes, and always in
/// the first record of a connection. The channel stays the caller's to close.
public final class MigrationStreamWriter {
    /// The device state of a common guest, 0.4 MB, fits, so that discards and package leave in one call.
    private static final int BUFFER_BYTES = 1 << 20;

    private final WireOutput out;
    private @Nullable RamBlock lastBlock;
    private @Nullable RamPart openPart;
    private boolean advised;
    private boolean endMarked;

    /// @param channel blocking
    public MigrationStreamWriter(WritableByteChannel channel) {
        this(channel, BUFFER_BYTES);
    }

    MigrationStreamWriter(WritableByteChannel channel, int bufferBytes) {
        out = new WireOutput(channel, bufferBytes);
    }

    /// Goes on with a new connection, as in a recovery: nothing buffered survives, no part is open, the
    /// next page record names its block.
    public void reconnect(WritableByteChannel channel) {
        out.reconnect(channel);
        lastBlock = null;
        openPart = null;
        endMarked = false;
    }

    /// {@return bytes written so far, on all connections, buffered ones included}
    public long writtenBytes() {
        return out.writtenBytes();
    }

    /// {@return bytes that wait for a [#flush]}
    public int bufferedBytes() {
        return out.bufferedBytes();
    }

    /// Hands everything to the channel; blocks until it has taken it.
    public void flush() throws IOException {
        out.flush();
    }

    /// Writes any message.
    ///
    /// @throws IllegalStateException if pages come outside a part, or anything else inside one
    public void write(StreamMessage message) throws IOException {
        switch (message) {
            case StreamMessage.Header(int version) ->
                outside().u32(WireFormat.MAGIC).u32(version);
            case Configuration configuration -> configuration(configuration);
            case RamStart start -> ramStart(start);
            case RamPart(int sectionId, boolean last) -> beginPart(sectionId, last);
            case StreamMessage.ZeroPage(RamBlock block, long offset) -> zeroPage(block, offset);
            case StreamMessage.Page(RamBlock block, long offset, ByteBuffer data) -> page(block, offset, data);
            case StreamMessage.EndOfPages() -> endPart();
            case Command command -> command(command);
            case StreamMessage.DeviceState(byte[] blob) -> outside().large(blob);
            case StreamMessage.VmDescription(String json) -> vmDescription(json);
            case StreamMessage.EndOfStream() -> endMark();
        }
    }

    /// Opens a PART, or with `last` the END, of the RAM section; pages follow, then [#endPart].
    public void beginPart(int sectionId, boolean last) throws IOException {
        outside().u8(last ? WireFormat.SECTION_END : WireFormat.SECTION_PART).u32(sectionId);
        openPart = new RamPart(sectionId, last);
    }

    public void endPart() throws IOException {
        RamPart part = openPart();
        out.u64(WireFormat.RAM_EOS).u8(WireFormat.SECTION_FOOTER).u32(part.sectionId());
        openPart = null;
    }

    /// Writes one page.
    ///
    /// @param offset of the page in its block
    /// @param data 4096 bytes from its position on; the position stays
    public void page(RamBlock block, long offset, ByteBuffer data) throws IOException {
        if (data.remaining() != RamBlock.TARGET_PAGE_BYTES) {
            throw new IllegalArgumentException("page of " + data.remaining() + " bytes, 4096 are allowed");
        }
        pageHeader(block, offset, WireFormat.RAM_PAGE);
        out.copy(data);
    }

    /// Writes a page of zeros in nine bytes, and the name if the block changes.
    public void zeroPage(RamBlock block, long offset) throws IOException {
        pageHeader(block, offset, WireFormat.RAM_ZERO);
        out.u8(0);
    }

    /// Discards what was not sent and starts the guest: DISCARDs and package leave together, in one call where
    /// the channel allows, because between them nothing may touch guest memory. Ends with a flush.
    ///
    /// @param discards whatever is to be asked for when the guest touches it
    public void launch(List<Command.PostcopyDiscard> discards, DevicePackage devices) throws IOException {
        outside().flush();
        for (Command.PostcopyDiscard discard : discards) {
            command(discard);
        }
        command(devices.encode());
        flush();
    }

    private void pageHeader(RamBlock block, long offset, int flag) throws IOException {
        openPart();
        if (offset < 0 || offset >= block.lengthBytes() || offset % RamBlock.TARGET_PAGE_BYTES != 0) {
            throw new IllegalArgumentException("page at " + offset + " of " + block + ", not one of its pages");
        }
        if (block.equals(lastBlock)) {
            out.u64(offset | flag | WireFormat.RAM_CONTINUE);
        } else {
            out.u64(offset | flag).str8(block.name());
            lastBlock = block;
        }
    }

    private void configuration(Configuration configuration) throws IOException {
        String machine = configuration.machine();
        if (machine.isEmpty() || machine.length() > WireFormat.MACHINE_NAME_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "machine name of " + machine.length() + " characters, 1 to 255 are allowed");
        }
        outside().u8(WireFormat.SECTION_CONFIGURATION).u32(machine.length()).ascii(machine);
        for (Subsection subsection : configuration.subsections()) {
            out.u8(WireFormat.SECTION_SUBSECTION)
                    .str8(subsection.name())
                    .u32(subsection.version())
                    .large(subsection.payload());
        }
    }

    private void ramStart(RamStart start) throws IOException {
        outside()
                .u8(WireFormat.SECTION_START)
                .u32(start.sectionId())
                .str8(WireFormat.RAM_SECTION)
                .u32(0)
                .u32(start.versionId());
        long totalBytes =
                start.blocks().stream().mapToLong(RamBlock::lengthBytes).reduce(0, Math::addExact);
        out.u64(totalBytes | WireFormat.RAM_MEM_SIZE);
        for (int i = 0; i < start.blocks().size(); i++) {
            RamBlock block = start.blocks().get(i);
            out.str8(block.name()).u64(block.lengthBytes());
            // The destination expects the field exactly then; it is not copied from the capture.
            if (advised && block.pageSizeBytes() != RamBlock.TARGET_PAGE_BYTES) {
                out.u64(block.pageSizeBytes());
            }
            if (!start.guestAddresses().isEmpty()) {
                out.u64(start.guestAddresses().get(i));
            }
        }
        out.u64(WireFormat.RAM_EOS).u8(WireFormat.SECTION_FOOTER).u32(start.sectionId());
    }

    private void command(Command command) throws IOException {
        CommandEncoder.write(command, outside());
        advised |= command instanceof Command.PostcopyAdvise;
    }

    private void vmDescription(String json) throws IOException {
        endMark();
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        out.u8(WireFormat.SECTION_VMDESC).u32(bytes.length).large(bytes);
    }

    /// The mark stands before the description, which the messages name before the end.
    private void endMark() throws IOException {
        outside();
        if (!endMarked) {
            out.u8(WireFormat.SECTION_EOF);
            endMarked = true;
        }
    }

    private WireOutput outside() {
        if (openPart != null) {
            throw new IllegalStateException("a RAM part is open, only pages and its end may follow");
        }
        return out;
    }

    private RamPart openPart() {
        if (openPart == null) {
            throw new IllegalStateException("no RAM part is open, pages need one");
        }
        return openPart;
    }
}
