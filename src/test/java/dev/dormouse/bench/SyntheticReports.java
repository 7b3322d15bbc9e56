package dev.dormouse.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Reports as a probe would send them, one every 10 ms.
final class SyntheticReports {
    private final List<TimedReport> reports = new ArrayList<>();
    private long nowNanos;
    private long iterations;

    SyntheticReports(long startNanos) {
        nowNanos = startNanos;
        add();
    }

    /// Reports for this long at this rate.
    SyntheticReports run(long millis, long iterationsPerSecond) {
        for (long at = 0; at < millis; at += 10) {
            nowNanos += 10_000_000;
            iterations += iterationsPerSecond / 100;
            add();
        }
        return this;
    }

    /// No reports and no work for this long.
    SyntheticReports stall(long millis) {
        nowNanos += millis * 1_000_000;
        return this;
    }

    List<TimedReport> list() {
        return List.copyOf(reports);
    }

    WorkRate rate() {
        return WorkRate.of(reports);
    }

    private void add() {
        long[] touches = new long[LatencyHistogram.BUCKET_COUNT];
        touches[8] = iterations;
        reports.add(new TimedReport(
                nowNanos,
                new RateReport(reports.size() + 1L, nowNanos, iterations, new LatencyHistogram(touches), 511)));
    }

    static ByteBuffer encode(long sequence, long iterations) {
        ByteBuffer out = ByteBuffer.allocate(RateReport.SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        out.put("DRMR".getBytes(StandardCharsets.US_ASCII));
        out.putShort((short) 1).putShort((short) RateReport.SIZE_BYTES);
        out.putLong(sequence).putLong(sequence * 10_000_000).putLong(iterations);
        long[] touches = new long[LatencyHistogram.BUCKET_COUNT];
        touches[8] = iterations;
        Arrays.stream(touches).forEach(out::putLong);
        return out.putLong(511).flip();
    }
}
