package dev.dormouse.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// What the probe's work loop has done so far, sent by the guest every 10 ms: little-endian, fixed size.
///
/// | offset | size | field           | valid                                             |
/// |-------:|-----:|-----------------|---------------------------------------------------|
/// |      0 |    4 | magic           | `DRMR` in ASCII                                   |
/// |      4 |    2 | version         | 1                                                 |
/// |      6 |    2 | sizeBytes       | 296                                               |
/// |      8 |    8 | sequence        | 1 or more, counts the reports that were due       |
/// |     16 |    8 | guestNanos      | 0 or more, monotonic clock of the guest           |
/// |     24 |    8 | iterations      | 0 or more, page touches since the probe started   |
/// |     32 |  256 | touches         | 32 counts, their sum equals iterations            |
/// |    288 |    8 | latencyNanosMax | 0 or more, the longest touch since the last report|
public record RateReport(
        long sequence, long guestNanos, long iterations, LatencyHistogram touches, long latencyNanosMax) {
    public static final int SIZE_BYTES = 296;

    static final int MAGIC = 0x524d_5244; // "DRMR"
    static final int VERSION = 1;
    static final int PREFIX_BYTES = 8;

    /// Whether a report begins here; needs [#PREFIX_BYTES] bytes. The probe writes a report whole or not at
    /// all, and 64 bits that fit by chance inside another report would fail its sum.
    static boolean beginsAt(ByteBuffer bytes, int offset) {
        ByteBuffer at = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        return at.getInt(offset) == MAGIC
                && at.getShort(offset + 4) == VERSION
                && Short.toUnsignedInt(at.getShort(offset + 6)) == SIZE_BYTES;
    }

    /// Decodes the [#SIZE_BYTES] bytes from the buffer's position on and moves it behind them.
    ///
    /// @throws ProbeException if a field is not as the table says
    static RateReport decode(ByteBuffer bytes) throws ProbeException {
        if (bytes.remaining() < SIZE_BYTES) {
            throw new ProbeException(
                    "rate report: " + bytes.remaining() + " bytes, a report has " + SIZE_BYTES + " bytes");
        }
        if (!beginsAt(bytes, bytes.position())) {
            throw new ProbeException("rate report: begins with %#018x, not with magic, version %d and size %d"
                    .formatted(bytes.duplicate().order(ByteOrder.BIG_ENDIAN).getLong(), VERSION, SIZE_BYTES));
        }
        ByteBuffer in = bytes.slice(bytes.position(), SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(bytes.position() + SIZE_BYTES);
        in.position(PREFIX_BYTES);
        long sequence = in.getLong();
        long guestNanos = in.getLong();
        long iterations = in.getLong();
        long[] touches = new long[LatencyHistogram.BUCKET_COUNT];
        in.asLongBuffer().get(touches);
        return checked(sequence, guestNanos, iterations, touches, in.getLong(SIZE_BYTES - 8));
    }

    private static RateReport checked(
            long sequence, long guestNanos, long iterations, long[] touches, long latencyNanosMax)
            throws ProbeException {
        if (sequence < 1 || guestNanos < 0 || iterations < 0 || latencyNanosMax < 0) {
            throw new ProbeException("rate report: sequence %d, guest time %d, iterations %d or latency %d is negative"
                    .formatted(sequence, guestNanos, iterations, latencyNanosMax));
        }
        long sum = 0;
        for (long count : touches) {
            // A negative count or a sum beyond the iterations cannot come back into range unseen.
            if (count < 0 || count > iterations - sum) {
                throw new ProbeException(
                        "rate report: a bucket of %d touches does not fit %d iterations".formatted(count, iterations));
            }
            sum += count;
        }
        if (sum != iterations) {
            throw new ProbeException("rate report: %d touches in the histogram, %d iterations; they must be equal"
                    .formatted(sum, iterations));
        }
        return new RateReport(sequence, guestNanos, iterations, new LatencyHistogram(touches), latencyNanosMax);
    }
}
