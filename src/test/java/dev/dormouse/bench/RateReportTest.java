package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class RateReportTest {
    @Test
    void decodesWhatTheTableSays() throws ProbeException {
        RateReport report = RateReport.decode(SyntheticReports.encode(7, 500));

        assertThat(report.sequence()).isEqualTo(7);
        assertThat(report.guestNanos()).isEqualTo(7 * 10_000_000L);
        assertThat(report.iterations()).isEqualTo(500);
        assertThat(report.touches().count(8)).isEqualTo(500);
        assertThat(report.latencyNanosMax()).isEqualTo(511);
    }

    @Test
    void refusesEveryBitFlippedInItsPrefix() {
        for (int bit = 0; bit < RateReport.PREFIX_BYTES * 8; bit++) {
            ByteBuffer bytes = SyntheticReports.encode(1, 1);
            bytes.put(bit / 8, (byte) (bytes.get(bit / 8) ^ 1 << bit % 8));

            assertThatThrownBy(() -> RateReport.decode(bytes))
                    .as("bit %d", bit)
                    .isInstanceOf(ProbeException.class)
                    .hasMessageMatching(
                            "rate report: begins with 0x\\p{XDigit}{16}, not with magic, version 1 and size 296");
        }
    }

    @Test
    void refusesAHistogramThatDoesNotSumUpToTheIterations() {
        ByteBuffer bytes = SyntheticReports.encode(1, 100);
        bytes.putLong(32, 1);
        bytes.putLong(24, 102);

        assertThatThrownBy(() -> RateReport.decode(bytes))
                .hasMessage("rate report: 101 touches in the histogram, 102 iterations; they must be equal");
    }

    @Test
    void refusesCountsThatOverflow() {
        ByteBuffer bytes = SyntheticReports.encode(1, 100);
        bytes.putLong(40, Long.MAX_VALUE);

        assertThatThrownBy(() -> RateReport.decode(bytes))
                .hasMessage("rate report: a bucket of 9223372036854775807 touches does not fit 100 iterations");
    }

    @Test
    void refusesNegativeFields() {
        ByteBuffer bytes = SyntheticReports.encode(1, 100);
        bytes.putLong(288, -1);

        assertThatThrownBy(() -> RateReport.decode(bytes))
                .hasMessage("rate report: sequence 1, guest time 10000000, iterations 100 or latency -1 is negative");
    }

    @Test
    void refusesAReportCutShort() {
        ByteBuffer bytes = SyntheticReports.encode(1, 100).limit(295);

        assertThatThrownBy(() -> RateReport.decode(bytes)).hasMessage("rate report: 295 bytes, a report has 296 bytes");
    }
}
