package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.Command.Range;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/// Reads a COMMAND section behind its type byte. The payload's length must be what the command needs.
final class CommandDecoder {
    private final WireInput in;
    private final CaptureOptions options;

    CommandDecoder(WireInput in, CaptureOptions options) {
        this.in = in;
        this.options = options;
    }

    Command command() throws IOException {
        in.enter("command");
        int code = in.u16();
        int length = in.u16();
        return switch (code) {
            case WireFormat.CMD_OPEN_RETURN_PATH -> empty(code, length, new Command.OpenReturnPath());
            case WireFormat.CMD_PING -> ping(length);
            case WireFormat.CMD_POSTCOPY_ADVISE -> advise(length);
            case WireFormat.CMD_POSTCOPY_LISTEN -> empty(code, length, new Command.PostcopyListen());
            case WireFormat.CMD_POSTCOPY_RUN -> empty(code, length, new Command.PostcopyRun());
            case WireFormat.CMD_POSTCOPY_RAM_DISCARD -> discard(length);
            case WireFormat.CMD_PACKAGED -> packaged(length);
            case WireFormat.CMD_POSTCOPY_RESUME -> empty(code, length, new Command.PostcopyResume());
            case WireFormat.CMD_RECV_BITMAP -> recvBitmap(length);
            case WireFormat.CMD_SWITCHOVER_START -> empty(code, length, new Command.SwitchoverStart());
            case WireFormat.CMD_ENABLE_COLO ->
                throw in.error("the sender has x-colo on and would never end, switch the capability off");
            case 0 -> throw in.error("command code 0, 1 or more is allowed");
            default -> new Command.Other(code, in.bytes(length));
        };
    }

    private Command empty(int code, int length, Command command) throws ProtocolException {
        checkLength(code, length, 0);
        return command;
    }

    private Command ping(int length) throws IOException {
        checkLength(WireFormat.CMD_PING, length, 4);
        return new Command.Ping(in.s32());
    }

    private Command advise(int length) throws IOException {
        if (length == 0) {
            throw in.error("the sender has dirty-bitmaps on, switch the capability off");
        }
        checkLength(WireFormat.CMD_POSTCOPY_ADVISE, length, 16);
        var advise = new Command.PostcopyAdvise(in.s64(), in.s64());
        if (advise.targetPageSizeBytes() != RamBlock.TARGET_PAGE_BYTES) {
            throw in.error("ADVISE for target pages of " + advise.targetPageSizeBytes() + " bytes, 4096 is allowed");
        }
        return advise;
    }

    private Command discard(int length) throws IOException {
        if (length < 20) {
            throw in.error("DISCARD of " + length + " bytes, 20 or more are allowed");
        }
        int version = in.u8();
        if (version != 0) {
            throw in.error("DISCARD has version " + version + ", this build reads 0");
        }
        String block = in.str8();
        int end = in.u8();
        int rangeBytes = length - 3 - block.length();
        if (end != 0 || rangeBytes < 16 || rangeBytes % 16 != 0) {
            throw in.error("DISCARD of %d bytes for block '%s' with end byte %d, whole ranges behind a zero are allowed"
                    .formatted(length, block, end));
        }
        if (rangeBytes / 16 > Command.PostcopyDiscard.RANGES_MAX) {
            throw in.error("DISCARD with " + rangeBytes / 16 + " ranges, " + Command.PostcopyDiscard.RANGES_MAX
                    + " are allowed");
        }
        return new Command.PostcopyDiscard(block, ranges(rangeBytes / 16));
    }

    private List<Range> ranges(int count) throws IOException {
        var ranges = new ArrayList<Range>(count);
        for (int i = 0; i < count; i++) {
            var range = new Range(in.s64(), in.s64());
            boolean valid = isPageMultiple(range.offset())
                    && isPageMultiple(range.lengthBytes())
                    && range.lengthBytes() > 0
                    && range.offset() <= WireFormat.RAM_BYTES_MAX - range.lengthBytes();
            if (!valid) {
                throw in.error("DISCARD of %#x bytes from %#x, whole pages below 2^48 are allowed"
                        .formatted(range.lengthBytes(), range.offset()));
            }
            ranges.add(range);
        }
        return ranges;
    }

    private static boolean isPageMultiple(long bytes) {
        return bytes >= 0 && bytes <= WireFormat.RAM_BYTES_MAX && bytes % RamBlock.TARGET_PAGE_BYTES == 0;
    }

    private Command packaged(int length) throws IOException {
        checkLength(WireFormat.CMD_PACKAGED, length, 4);
        long contentBytes = in.u32();
        if (contentBytes > options.deviceStateBytesMax()) {
            throw in.error("package of " + contentBytes + " bytes, " + options.deviceStateBytesMax() + " are allowed");
        }
        in.enter("package");
        return new Command.Packaged(in.bytes((int) contentBytes));
    }

    private Command recvBitmap(int length) throws IOException {
        String block = in.str8();
        checkLength(WireFormat.CMD_RECV_BITMAP, length, 1 + block.length());
        return new Command.RecvBitmap(block);
    }

    private void checkLength(int code, int length, int needed) throws ProtocolException {
        if (length != needed) {
            throw in.error("command " + code + " has " + length + " payload bytes, " + needed + " are allowed");
        }
    }
}
