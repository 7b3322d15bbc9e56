package dev.dormouse.wire;

import dev.dormouse.wire.Command.Range;
import java.io.IOException;

/// Writes a COMMAND section.
final class CommandEncoder {
    private CommandEncoder() {}

    static void write(Command command, WireOutput out) throws IOException {
        switch (command) {
            case Command.OpenReturnPath() -> header(out, WireFormat.CMD_OPEN_RETURN_PATH, 0);
            case Command.Ping(int value) -> header(out, WireFormat.CMD_PING, 4).u32(value);
            case Command.PostcopyAdvise(long pageSizes, long targetPageSizeBytes) ->
                header(out, WireFormat.CMD_POSTCOPY_ADVISE, 16).u64(pageSizes).u64(targetPageSizeBytes);
            case Command.PostcopyListen() -> header(out, WireFormat.CMD_POSTCOPY_LISTEN, 0);
            case Command.PostcopyRun() -> header(out, WireFormat.CMD_POSTCOPY_RUN, 0);
            case Command.PostcopyDiscard discard -> discard(out, discard);
            case Command.Packaged(byte[] content) ->
                header(out, WireFormat.CMD_PACKAGED, 4).u32(content.length).large(content);
            case Command.PostcopyResume() -> header(out, WireFormat.CMD_POSTCOPY_RESUME, 0);
            case Command.RecvBitmap(String block) ->
                header(out, WireFormat.CMD_RECV_BITMAP, 1 + block.length()).str8(block);
            case Command.SwitchoverStart() -> header(out, WireFormat.CMD_SWITCHOVER_START, 0);
            case Command.Other(int code, byte[] payload) ->
                header(out, code, payload.length).large(payload);
        }
    }

    private static void discard(WireOutput out, Command.PostcopyDiscard discard) throws IOException {
        int rangeBytes = 16 * discard.ranges().size();
        header(out, WireFormat.CMD_POSTCOPY_RAM_DISCARD, 3 + discard.block().length() + rangeBytes)
                .u8(0)
                .str8(discard.block())
                .u8(0);
        for (Range range : discard.ranges()) {
            out.u64(range.offset()).u64(range.lengthBytes());
        }
    }

    private static WireOutput header(WireOutput out, int code, int length) throws IOException {
        return out.u8(WireFormat.SECTION_COMMAND).u16(code).u16(length);
    }
}
