package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/// What the guest's probe writes into a file for a seed, as `guest/pattern.h` has it, so that a file can be compared
/// without the guest.
final class SeededFile {
    private static final int PAGE_WORDS = 512;

    private SeededFile() {}

    /// Compares every byte of a file.
    ///
    /// @return the bytes that were compared
    static long check(Path file, long seed, int kibibytes) throws IOException {
        byte[] expected = bytes(seed, kibibytes);
        assertThat(Files.readAllBytes(file)).as("the file of seed %d", seed).isEqualTo(expected);
        return expected.length;
    }

    /// {@return what such a file holds}
    static byte[] bytes(long seed, int kibibytes) {
        byte[] content = new byte[kibibytes << 10];
        ByteBuffer words = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        for (long page = 0; words.hasRemaining(); page++) {
            long state = mix(mix(seed) ^ page);
            for (int i = 0; i < PAGE_WORDS; i++) {
                state = state * 0xd1342543de82ef95L + 0x2545f4914f6cdd1dL;
                words.putLong(state ^ (state >>> 32));
            }
        }
        return content;
    }

    /// {@return the checksum by which the guest's probe knows a file of its disk}
    static long checksum(byte[] content) {
        ByteBuffer words = ByteBuffer.wrap(
                        Arrays.copyOf(content, Math.ceilDiv(content.length, Long.BYTES) * Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        long sum = mix(content.length);
        while (words.hasRemaining()) {
            sum = Long.rotateLeft(sum ^ words.getLong(), 29) * 0x9fb21c651e98df25L;
        }
        return mix(sum);
    }

    private static long mix(long value) {
        long x = value + 0x9e3779b97f4a7c15L;
        x = (x ^ (x >>> 30)) * 0xbf58476d1ce4e5b9L;
        x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
        return x ^ (x >>> 31);
    }
}
