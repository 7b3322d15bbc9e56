package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.EndOfStream;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/// Reads a migration stream one message at a time, as the destination of a precopy migration (the
/// capture of a checkpoint) or, in tests, of a postcopy one.
///
/// One thread pulls; [#next] blocks until the message is complete and not a byte longer. Page data
/// is handed out as a view of the one buffer, valid until the next call. After an exception the reader is
/// of no more use. The channel stays the caller's to close.
///
/// What follows the last page is kept in memory until the peer closes, because only its end says where
/// the device sections end.
public final class MigrationStreamReader {
    private static final int BUFFER_BYTES = 1 << 20;

    private enum State {
        HEADER,
        CONFIGURATION,
        SECTIONS,
        PAGES,
        TAIL,
        ENDED
    }

    private final WireInput in;
    private final CaptureOptions options;
    private final CommandDecoder commands;
    private final RamSectionDecoder ram;
    private final Queue<StreamMessage> tail = new ArrayDeque<>();
    private State state = State.HEADER;
    private int ramSectionId;
    private boolean ramStarted;
    private boolean partSeen;
    private boolean lastPartSeen;
    private boolean postcopy;
    private long advisedPageSizes;

    /// @param channel blocking
    /// @param resourceName what errors call the stream, such as the name of the VM
    public MigrationStreamReader(ReadableByteChannel channel, String resourceName, CaptureOptions options) {
        this(channel, resourceName, options, BUFFER_BYTES);
    }

    MigrationStreamReader(ReadableByteChannel channel, String resourceName, CaptureOptions options, int bufferBytes) {
        this.in = new WireInput(channel, resourceName, bufferBytes);
        this.options = options;
        this.commands = new CommandDecoder(in, options);
        this.ram = new RamSectionDecoder(in, options);
    }

    /// {@return a reader for the connection of a recovery, which opens without header and block list}
    public static MigrationStreamReader ofRecovery(
            ReadableByteChannel channel, String resourceName, int ramSectionId, List<RamBlock> blocks) {
        var reader = new MigrationStreamReader(channel, resourceName, CaptureOptions.defaults());
        reader.ram.knowBlocks(blocks);
        reader.ramSectionId = ramSectionId;
        reader.ramStarted = true;
        reader.postcopy = true;
        reader.state = State.SECTIONS;
        return reader;
    }

    /// {@return how many bytes the messages so far took}
    public long position() {
        return in.position();
    }

    /// {@return the next message; [EndOfStream] is the last}
    ///
    /// @throws ProtocolException if the stream is damaged, cut, or of a kind that is refused
    /// @throws IllegalStateException if the last message was delivered before
    public StreamMessage next() throws IOException {
        return switch (state) {
            case PAGES -> pageRecord();
            case SECTIONS -> section();
            case HEADER -> {
                state = State.CONFIGURATION;
                yield new ConfigurationDecoder(in, options).header();
            }
            case CONFIGURATION -> {
                state = State.SECTIONS;
                yield new ConfigurationDecoder(in, options).configuration();
            }
            case TAIL -> nextOfTail();
            case ENDED -> throw new IllegalStateException("the migration stream has ended");
        };
    }

    private StreamMessage pageRecord() throws IOException {
        StreamMessage message = ram.record();
        if (message instanceof StreamMessage.EndOfPages) {
            footer(ramSectionId);
            state = State.SECTIONS;
        }
        return message;
    }

    private StreamMessage section() throws IOException {
        in.enter("section type");
        int type = in.peekU8();
        if (type == WireFormat.SECTION_FULL) {
            return devices(); // Its type byte belongs to the device state.
        }
        in.u8();
        return switch (type) {
            case WireFormat.SECTION_COMMAND -> command();
            case WireFormat.SECTION_START -> start();
            case WireFormat.SECTION_PART -> part(false);
            case WireFormat.SECTION_END -> part(true);
            case WireFormat.SECTION_EOF -> endOfPostcopy();
            default ->
                throw in.error(
                        "section type 0x%02x, START, PART, END, FULL, COMMAND or EOF is allowed".formatted(type));
        };
    }

    private StreamMessage command() throws IOException {
        Command command = commands.command();
        switch (command) {
            case Command.PostcopyAdvise advise -> advisedPageSizes = advise.pageSizes();
            case Command.Packaged _ -> postcopy = true;
            default -> {}
        }
        return command;
    }

    private RamStart start() throws IOException {
        in.enter("section header");
        int sectionId = in.s32();
        String name = in.str8();
        int instance = in.s32();
        int version = in.s32();
        if (!name.equals(WireFormat.RAM_SECTION)) {
            throw in.error(ForeignSection.refusal(name));
        }
        if (ramStarted) {
            throw in.error("section 'ram' starts a second time");
        }
        if (instance != 0 || version != WireFormat.RAM_VERSION) {
            throw in.error("section 'ram' is instance " + instance + ", version " + version
                    + ", this build reads instance 0, version " + WireFormat.RAM_VERSION);
        }
        ramSectionId = sectionId;
        ramStarted = true;
        RamStart start = ram.start(sectionId, version, advisedPageSizes);
        footer(sectionId);
        return start;
    }

    private RamPart part(boolean last) throws IOException {
        in.enter("section header");
        int sectionId = in.s32();
        if (!ramStarted || lastPartSeen || sectionId != ramSectionId) {
            throw in.error("part of section " + sectionId + ", only 'ram' between its START and END is allowed");
        }
        partSeen = true;
        lastPartSeen = last;
        state = State.PAGES;
        return new RamPart(sectionId, last);
    }

    private void footer(int sectionId) throws IOException {
        in.enter("section footer");
        int mark = in.u8();
        int footerId = in.s32();
        if (mark != WireFormat.SECTION_FOOTER || footerId != sectionId) {
            throw in.error(
                    "footer 0x%02x of section %d, 0x7e of section %d is allowed".formatted(mark, footerId, sectionId));
        }
    }

    /// A capture ends with device sections; only a postcopy stream, which has sent them in a package, ends
    /// right here. Its source keeps the connection open for the answers.
    private EndOfStream endOfPostcopy() throws ProtocolException {
        if (!postcopy || !lastPartSeen) {
            throw in.error("EOF mark before the %s".formatted(lastPartSeen ? "device state" : "end of RAM"));
        }
        state = State.ENDED;
        return new EndOfStream();
    }

    /// Reads everything up to the end. A background snapshot has no RAM END, so a first part suffices.
    private StreamMessage devices() throws IOException {
        if (!partSeen || postcopy) {
            throw in.error("device section before the pages or beside a package, remove virtio-mem devices");
        }
        in.enter("device state");
        ByteBuffer bytes = in.rest(options.deviceStateBytesMax(), "raise the bound of the device state");
        var parts = new DeviceStateSplitter(in, options).split(bytes);
        tail.add(parts.deviceState());
        StreamMessage.@Nullable VmDescription description = parts.description();
        if (description != null) {
            tail.add(description);
        }
        tail.add(new EndOfStream());
        state = State.TAIL;
        return nextOfTail();
    }

    private StreamMessage nextOfTail() {
        StreamMessage message = tail.remove();
        if (tail.isEmpty()) {
            state = State.ENDED;
        }
        return message;
    }
}
