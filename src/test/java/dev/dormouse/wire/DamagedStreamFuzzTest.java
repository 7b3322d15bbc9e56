package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.dormouse.wire.StreamMessage.Page;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Invariants checked:
/// - every proper prefix of a capture, of a restore and of a recovery is refused;
/// - every change of one byte of their metadata is refused with a [ProtocolException] or read as another
///   stream, and never ends in another exception, a huge allocation or a loop;
/// - an error names the stream and the byte.
@Timeout(120)
class DamagedStreamFuzzTest {
    private static final int[] FLIPS = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff};

    @Test
    void refusesEveryPrefixOfACapture() throws IOException {
        refusesEveryPrefix(Streams.write(Streams.capture()));
    }

    @Test
    void refusesEveryPrefixOfARestore() throws IOException {
        refusesEveryPrefix(Streams.write(Streams.postcopy()));
    }

    @Test
    void saysWhereAndInsideWhatTheStreamEnds() throws IOException {
        byte[] cut = Arrays.copyOf(Streams.write(Streams.capture()), 30);

        assertThatThrownBy(() -> Streams.read(cut))
                .isInstanceOf(ProtocolException.class)
                .hasMessage("vm7: stream ends at byte 30 inside section header, 2 more bytes are needed");
    }

    @Test
    void endsInOrderForEveryByteOfACapture() throws IOException {
        survivesEveryFlip(Streams.write(Streams.capture()), pages(Streams.capture()));
    }

    @Test
    void endsInOrderForEveryByteOfARestore() throws IOException {
        survivesEveryFlip(Streams.write(Streams.postcopy()), pages(Streams.postcopy()));
    }

    @Test
    void endsInOrderForEveryByteOfASharedMemoryCapture() throws IOException {
        byte[] stream = HostileStreamTest.sharedCapture();

        for (int at = 0; at < stream.length; at++) {
            for (int flip : FLIPS) {
                read(flipped(stream, at, flip), CaptureOptions.defaults().withIgnoreShared(true), at);
            }
        }
    }

    private static void refusesEveryPrefix(byte[] stream) {
        for (int length = 0; length < stream.length; length++) {
            byte[] prefix = Arrays.copyOf(stream, length);
            assertThatThrownBy(() -> Streams.read(prefix))
                    .as("cut at %d of %d", length, stream.length)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageStartingWith("vm7: ")
                    .hasMessageContaining("byte ")
                    .hasMessageNotContaining("\n");
        }
    }

    /// @param data bytes that are page content, whose change is no damage to the stream
    private static void survivesEveryFlip(byte[] stream, BitSet data) {
        int refused = 0;
        for (int at = data.nextClearBit(0); at < stream.length; at = data.nextClearBit(at + 1)) {
            for (int flip : FLIPS) {
                refused += read(flipped(stream, at, flip), CaptureOptions.defaults(), at) ? 0 : 1;
            }
        }
        int tried = (stream.length - data.cardinality()) * FLIPS.length;
        assertThat(refused).as("refused of %d", tried).isBetween(tried / 3, tried);
    }

    private static byte[] flipped(byte[] stream, int at, int flip) {
        byte[] damaged = stream.clone();
        damaged[at] ^= (byte) flip;
        return damaged;
    }

    private static boolean read(byte[] stream, CaptureOptions options, int at) {
        try {
            assertThat(Streams.read(stream, options)).isNotEmpty();
            return true;
        } catch (ProtocolException e) {
            assertThat(e).hasMessageStartingWith("vm7: ").hasMessageContaining("byte ");
            return false;
        } catch (IOException | RuntimeException | Error e) {
            return fail("byte " + at + " changed", e);
        }
    }

    /// {@return where page data lies in the stream}
    private static BitSet pages(List<StreamMessage> messages) throws IOException {
        var data = new BitSet();
        var before = new ArrayList<StreamMessage>();
        for (StreamMessage message : messages) {
            before.add(message);
            if (message instanceof Page) {
                int end = Streams.write(before).length;
                data.set(end - 4096, end);
            }
        }
        return data;
    }
}
