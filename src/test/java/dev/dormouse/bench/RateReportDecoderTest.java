package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RateReportDecoderTest {
    private final RateReportDecoder decoder = new RateReportDecoder();

    @Test
    void findsReportsInPiecesOfAnySize() throws ProbeException {
        long seed = Long.getLong("dormouse.seed", 42);
        Random random = new Random(seed);
        ByteBuffer stream = stream(20);
        List<Long> sequences = new ArrayList<>();

        while (stream.hasRemaining()) {
            int pieceBytes = Math.min(stream.remaining(), 1 + random.nextInt(700));
            sequences.addAll(feed(stream.slice(stream.position(), pieceBytes)));
            stream.position(stream.position() + pieceBytes);
        }

        assertThat(sequences).as("seed %d", seed).hasSize(20).isSorted();
        assertThat(decoder.skippedBytes()).isZero();
    }

    @Test
    void startsInTheMiddleOfAReport() throws ProbeException {
        ByteBuffer stream = stream(3).position(100);

        assertThat(feed(stream)).containsExactly(2L, 3L);
        assertThat(decoder.skippedBytes()).isEqualTo(196);
    }

    @Test
    void resynchronisesBehindAReportCutShort() throws ProbeException {
        ByteBuffer cut = SyntheticReports.encode(1, 10).limit(200);

        assertThat(feed(cut)).isEmpty();
        assertThat(feed(SyntheticReports.encode(2, 20))).containsExactly(2L);
        assertThat(decoder.skippedBytes()).isEqualTo(200);
    }

    @Test
    void givesUpOnAPeerThatIsNotTheProbe() {
        ByteBuffer noise = ByteBuffer.allocate(RateReportDecoder.SKIPPED_BYTES_MAX + 2 * RateReport.SIZE_BYTES);

        assertThatThrownBy(() -> feed(noise))
                .isInstanceOf(ProbeException.class)
                .hasMessage("rate port: no report in 18945 bytes, one is 296 bytes; is the peer the probe?");
    }

    private static ByteBuffer stream(int reports) {
        ByteBuffer stream = ByteBuffer.allocate(reports * RateReport.SIZE_BYTES);
        for (int i = 1; i <= reports; i++) {
            stream.put(SyntheticReports.encode(i, 10L * i));
        }
        return stream.flip();
    }

    private List<Long> feed(ByteBuffer bytes) throws ProbeException {
        List<Long> sequences = new ArrayList<>();
        while (bytes.hasRemaining()) {
            int fits = Math.min(bytes.remaining(), decoder.space().remaining());
            decoder.space().put(bytes.slice(bytes.position(), fits));
            bytes.position(bytes.position() + fits);
            for (Optional<RateReport> next = decoder.next(); next.isPresent(); next = decoder.next()) {
                sequences.add(next.get().sequence());
            }
        }
        return sequences;
    }
}
