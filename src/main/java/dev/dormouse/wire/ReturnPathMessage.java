package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import java.util.BitSet;

/// What the incoming QEMU sends on the return path, as it stands on the wire: be16 type, be16 length,
/// body. Byte layouts: `docs/protocol.md`. [ReturnPathReader] delivers them checked and with their RAM
/// blocks, as [ReturnPathEvent].
public sealed interface ReturnPathMessage {
    /// The last message: 0 the load is complete, else it failed.
    record Shut(int errorCode) implements ReturnPathMessage, ReturnPathEvent {}

    /// Echo of [Command.Ping].
    record Pong(int value) implements ReturnPathMessage, ReturnPathEvent {}

    /// The guest waits for pages of the named block.
    record RequestBlockPages(long offset, int lengthBytes, String block) implements ReturnPathMessage {}

    /// The guest waits for pages of the block that the last [RequestBlockPages] named.
    record RequestPages(long offset, int lengthBytes) implements ReturnPathMessage {}

    /// Which pages of the block have arrived, one bit for each.
    ///
    /// @param frameCount pages of the block; bits from there on are clear
    /// @param received not copied
    record RecvBitmap(String block, int frameCount, BitSet received) implements ReturnPathMessage, ReturnPathEvent {
        public RecvBitmap {
            if (frameCount < 1 || received.length() > frameCount) {
                throw new IllegalArgumentException("bitmap of " + received.length() + " bits for " + frameCount
                        + " pages, 1 or more pages and no bit beyond are allowed");
            }
        }

        /// {@return bytes of the bitmap on the wire: whole 64-bit words}
        static long wireBytes(long frameCount) {
            return (frameCount + 63) / 64 * 8;
        }

        /// Blocks beyond (8 TiB) do not fit into a [BitSet].
        static boolean fits(RamBlock block) {
            return block.frameCount() <= Integer.MAX_VALUE - 64;
        }
    }

    /// Answer to [Command.PostcopyResume]; 1 is the only value.
    record ResumeAck(int value) implements ReturnPathMessage, ReturnPathEvent {}

    /// Sent by 10.0 with its capability `switchover-ack` on; means nothing to a restore.
    record SwitchoverAck() implements ReturnPathMessage, ReturnPathEvent {}
}
