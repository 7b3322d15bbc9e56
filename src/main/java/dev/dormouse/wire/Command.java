package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// A COMMAND section: type 08, be16 code, be16 length, payload; no footer.
public sealed interface Command extends StreamMessage {
    /// The destination answers on the same connection from now on. Must come before [PostcopyAdvise].
    record OpenReturnPath() implements Command {}

    /// Answered by [ReturnPathMessage.Pong] with the same value.
    record Ping(int value) implements Command {}

    /// Postcopy may follow. The destination discards all its RAM.
    ///
    /// @param pageSizes the page sizes of all RAM blocks, or-ed
    record PostcopyAdvise(long pageSizes, long targetPageSizeBytes) implements Command {
        /// {@return the command that fits these blocks}
        public static PostcopyAdvise of(List<RamBlock> blocks) {
            long pageSizes = 0;
            for (RamBlock block : blocks) {
                pageSizes |= block.pageSizeBytes();
            }
            return new PostcopyAdvise(pageSizes, RamBlock.TARGET_PAGE_BYTES);
        }
    }

    /// Pages are placed through userfaultfd from now on. Only ever inside a package, and first there.
    record PostcopyListen() implements Command {}

    /// The guest starts. Only ever inside a package, and last there.
    record PostcopyRun() implements Command {}

    /// The destination drops these bytes, so that touching them faults.
    record PostcopyDiscard(String block, List<Range> ranges) implements Command {
        /// What fits into one command with the longest block name.
        static final int RANGES_MAX = (WireFormat.COMMAND_BYTES_MAX - 3 - WireFormat.STR8_BYTES_MAX) / 16;

        public PostcopyDiscard {
            ranges = List.copyOf(ranges);
            if (ranges.isEmpty() || ranges.size() > RANGES_MAX) {
                throw new IllegalArgumentException(
                        "DISCARD with " + ranges.size() + " ranges, 1 to " + RANGES_MAX + " are allowed");
            }
        }

        /// {@return the command that discards the block from end to end}
        public static PostcopyDiscard whole(RamBlock block) {
            return new PostcopyDiscard(block.name(), List.of(new Range(0, block.lengthBytes())));
        }

        /// {@return the ranges in commands of at most 12, as QEMU itself sends them}
        public static List<PostcopyDiscard> split(String block, List<Range> ranges) {
            var commands = new ArrayList<PostcopyDiscard>();
            for (int from = 0; from < ranges.size(); from += WireFormat.DISCARD_RANGES_SENT_MAX) {
                int to = Math.min(ranges.size(), from + WireFormat.DISCARD_RANGES_SENT_MAX);
                commands.add(new PostcopyDiscard(block, ranges.subList(from, to)));
            }
            return commands;
        }
    }

    /// Bytes of a RAM block.
    record Range(long offset, long lengthBytes) {}

    /// A piece of stream that the destination reads whole before it parses it; see [DevicePackage]. The
    /// array is not copied.
    @SuppressWarnings("ArrayRecordComponent") // equals, hashCode and toString go by content, below.
    record Packaged(byte[] content) implements Command {
        @Override
        public boolean equals(Object other) {
            return other instanceof Packaged that && Arrays.equals(content, that.content);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(content);
        }

        @Override
        public String toString() {
            return "Packaged[" + content.length + " bytes]";
        }
    }

    /// Ends the handshake of a recovery; answered by [ReturnPathMessage.ResumeAck].
    record PostcopyResume() implements Command {}

    /// Asks which pages of the block have arrived; answered by [ReturnPathMessage.RecvBitmap].
    record RecvBitmap(String block) implements Command {}

    /// The source stops the guest now. Sent by 10.0 only; 7.2 refuses it, so never send it.
    record SwitchoverStart() implements Command {}

    /// A command of a later QEMU. The array is not copied.
    ///
    /// @param code 12 to 65535
    @SuppressWarnings("ArrayRecordComponent") // equals, hashCode and toString go by content, below.
    record Other(int code, byte[] payload) implements Command {
        public Other {
            if (code <= WireFormat.CMD_SWITCHOVER_START || code > 0xffff) {
                throw new IllegalArgumentException("command code is " + code + ", 12 to 65535 are allowed");
            }
            if (payload.length > WireFormat.COMMAND_BYTES_MAX) {
                throw new IllegalArgumentException(
                        "payload of command " + code + " has " + payload.length + " bytes, 65535 are allowed");
            }
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Other that && code == that.code && Arrays.equals(payload, that.payload);
        }

        @Override
        public int hashCode() {
            return 31 * code + Arrays.hashCode(payload);
        }

        @Override
        public String toString() {
            return "Other[%d, %s]".formatted(code, HexFormat.of().formatHex(payload));
        }
    }
}
