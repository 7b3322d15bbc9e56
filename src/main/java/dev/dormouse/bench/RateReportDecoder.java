package dev.dormouse.bench;

import java.nio.ByteBuffer;
import java.util.Optional;

/// Finds the reports in a stream of bytes. After a restore the stream may begin in the middle of a report that
/// the former host had half read: those bytes are skipped up to the next beginning, and counted. Used by one
/// thread.
final class RateReportDecoder {
    /// So many reports could not be told from noise: the peer is not the probe.
    static final int SKIPPED_BYTES_MAX = 64 * RateReport.SIZE_BYTES;

    private final ByteBuffer pending = ByteBuffer.allocate(64 * RateReport.SIZE_BYTES);
    private long skippedBytes;
    private int skippedInARow;

    /// {@return where to put more bytes; never full as long as [#next] is called until it is empty}
    ByteBuffer space() {
        return pending;
    }

    /// The next whole report among the bytes put into [#space], if there is one.
    ///
    /// @throws ProbeException if there was none for [#SKIPPED_BYTES_MAX] bytes
    Optional<RateReport> next() throws ProbeException {
        pending.flip();
        try {
            while (pending.remaining() >= RateReport.SIZE_BYTES) {
                if (RateReport.beginsAt(pending, pending.position())) {
                    Optional<RateReport> report = decode();
                    if (report.isPresent()) {
                        skippedInARow = 0;
                        return report;
                    }
                }
                skipOne();
            }
            return Optional.empty();
        } finally {
            pending.compact();
        }
    }

    long skippedBytes() {
        return skippedBytes;
    }

    private Optional<RateReport> decode() {
        int start = pending.position();
        try {
            return Optional.of(RateReport.decode(pending));
        } catch (ProbeException _) {
            // A beginning by chance, or a report cut short by another: the search goes on behind it.
            pending.position(start);
            return Optional.empty();
        }
    }

    private void skipOne() throws ProbeException {
        pending.get();
        skippedBytes++;
        skippedInARow++;
        if (skippedInARow > SKIPPED_BYTES_MAX) {
            throw new ProbeException("rate port: no report in %d bytes, one is %d bytes; is the peer the probe?"
                    .formatted(skippedInARow, RateReport.SIZE_BYTES));
        }
    }
}
