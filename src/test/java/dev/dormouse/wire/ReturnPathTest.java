package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.ReturnPathMessage.Pong;
import dev.dormouse.wire.ReturnPathMessage.RecvBitmap;
import dev.dormouse.wire.ReturnPathMessage.RequestBlockPages;
import dev.dormouse.wire.ReturnPathMessage.RequestPages;
import dev.dormouse.wire.ReturnPathMessage.ResumeAck;
import dev.dormouse.wire.ReturnPathMessage.Shut;
import dev.dormouse.wire.ReturnPathMessage.SwitchoverAck;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
class ReturnPathTest {
    private static final RamBlock RAM = new RamBlock("ram", 100 * 4096);
    private static final RamBlock HUGE = new RamBlock("huge", 8 << 20, 2 << 20);
    private static final List<RamBlock> BLOCKS = List.of(RAM, HUGE);

    @Test
    void resolvesRequestsToTheBlockThatWasNamedLast() throws IOException {
        byte[] bytes = write(List.of(
                new RequestBlockPages(4096, 4096, "ram"),
                new RequestPages(99 * 4096, 4096),
                new RequestBlockPages(6 << 20, 2 << 20, "huge"),
                new RequestPages(0, 4 << 20)));

        assertThat(read(bytes))
                .containsExactly(
                        new PageRequest(RAM, 4096, 4096),
                        new PageRequest(RAM, 99 * 4096, 4096),
                        new PageRequest(HUGE, 6 << 20, 2 << 20),
                        new PageRequest(HUGE, 0, 4 << 20));
    }

    @Test
    void readsBackEveryMessage() throws IOException {
        long seed = Streams.seed();
        var random = new Random(seed);
        var messages = new ArrayList<ReturnPathMessage>();
        for (int i = 0; i < 500; i++) {
            messages.add(randomMessage(random));
        }

        assertThat(read(write(messages))).as("seed %d", seed).isEqualTo(messages);
    }

    @Test
    void clearsTheBitsBeyondTheBlock() throws IOException {
        byte[] bytes = hex("0005 0004 03 72616d 0000000000000010 01000000000000ff 00000000f0ffffff 0123456789abcdef");

        var expected = new BitSet();
        expected.set(0);
        expected.set(56, 64);
        assertThat(read(bytes)).containsExactly(new RecvBitmap("ram", 100, expected));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0000 0000 | 4, return path message: return path message of type 0, 1 to 7 are allowed
            0008 0000 | 4, return path message: return path message of type 8, 1 to 7 are allowed
            0001 0005 | 4, return path message: return path message of type 1 has 5 bytes, 4 are allowed
            0007 0001 | 4, return path message: return path message of type 7 has 1 bytes, 0 are allowed
            0006 0004 00000002 | 8, return path message: resume acknowledged with 2, 1 is allowed
            0004 000c 0000000000000000 00001000 | 4, return path message: request for the same RAM block, but none was named yet
            0003 000d | 4, return path message: request with block name has 13 bytes, 14 or more are allowed
            0003 0010 0000000000000000 00001000 03 726f6d | 20, return path message: message for unknown RAM block 'rom'
            0003 0011 0000000000000000 00001000 03 72616d | 20, return path message: return path message of type 3 has 17 bytes, 16 are allowed
            0003 0010 0000000000000001 00001000 03 72616d | 20, return path message: request for 4096 bytes at 0x1 of RAM block 'ram', whole pages of 4096 bytes within 409600 are allowed
            0003 0010 0000000000064000 00001000 03 72616d | 20, return path message: request for 4096 bytes at 0x64000 of RAM block 'ram', whole pages of 4096 bytes within 409600 are allowed
            0003 0010 0000000000000000 fffff000 03 72616d | 20, return path message: request for -4096 bytes at 0x0 of RAM block 'ram', whole pages of 4096 bytes within 409600 are allowed
            0003 0010 7ffffffffffff000 7ffff000 03 72616d | 20, return path message: request for 2147479552 bytes at 0x7ffffffffffff000 of RAM block 'ram', whole pages of 4096 bytes within 409600 are allowed
            0003 0011 0000000000001000 00200000 04 68756765 | 21, return path message: request for 2097152 bytes at 0x1000 of RAM block 'huge', whole pages of 2097152 bytes within 8388608 are allowed
            0005 0004 03 72616d 7fffffffffffffff | 16, received bitmap: bitmap of 9223372036854775807 bytes for RAM block 'ram', 16 are allowed, and blocks below 8 TiB
            0005 0004 03 72616d 0000000000000010 0000000000000000 0000000000000000 0000000000000001 | 40, received bitmap: bitmap ends with 0x1, 0x123456789abcdef is allowed
            """)
    void refusesWhatNoQemuSends(String hex, String message) {
        assertThatThrownBy(() -> read(hex(hex)))
                .isInstanceOf(ProtocolException.class)
                .hasMessage("vm7: byte " + message);
    }

    @Test
    void refusesEveryPrefixThatCutsAMessage() throws IOException {
        byte[] bytes = write(List.of(randomBitmap(new Random(1))));

        for (int length = 1; length < bytes.length; length++) {
            byte[] prefix = java.util.Arrays.copyOf(bytes, length);
            assertThatThrownBy(() -> read(prefix))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageStartingWith("vm7: stream ends at byte " + length + " inside ");
        }
    }

    @Test
    void endsInOrderForEveryChangedByte() throws IOException {
        var random = new Random(2);
        var messages = new ArrayList<ReturnPathMessage>();
        for (int i = 0; i < 15; i++) {
            messages.add(randomMessage(random));
        }
        byte[] bytes = write(messages);

        for (int at = 0; at < bytes.length; at++) {
            for (int flip = 1; flip < 256; flip = flip * 2) {
                survives(bytes, at, flip);
            }
        }
    }

    private static void survives(byte[] bytes, int at, int flip) {
        byte[] damaged = bytes.clone();
        damaged[at] ^= (byte) flip;
        try {
            assertThat(read(damaged)).isNotEmpty();
        } catch (ProtocolException e) {
            assertThat(e).hasMessageStartingWith("vm7: ");
        } catch (IOException | RuntimeException e) {
            fail("byte " + at + " changed by " + flip, e);
        }
    }

    private static ReturnPathMessage randomMessage(Random random) {
        return switch (random.nextInt(5)) {
            case 0 -> new Shut(random.nextInt());
            case 1 -> new Pong(random.nextInt());
            case 2 -> randomBitmap(random);
            case 3 -> new ResumeAck(1);
            default -> new SwitchoverAck();
        };
    }

    private static RecvBitmap randomBitmap(Random random) {
        var received = new BitSet();
        random.ints(20, 0, 100).forEach(received::set);
        return new RecvBitmap("ram", 100, received);
    }

    private static byte[] write(List<ReturnPathMessage> messages) throws IOException {
        var out = new ByteArrayOutputStream();
        var writer = new ReturnPathWriter(Channels.newChannel(out));
        for (ReturnPathMessage message : messages) {
            writer.write(message);
        }
        return out.toByteArray();
    }

    private static List<Object> read(byte[] bytes) throws IOException {
        var reader = new ReturnPathReader(Streams.channel(bytes), "vm7", BLOCKS);
        var events = new ArrayList<>();
        for (Optional<ReturnPathEvent> next = reader.next(); next.isPresent(); next = reader.next()) {
            events.add(next.get());
        }
        return events;
    }

    private static byte[] hex(String hex) {
        return HexFormat.of().parseHex(hex.replace(" ", ""));
    }
}
