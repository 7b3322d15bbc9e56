package dev.dormouse.index;

import java.util.List;

/// A part of a disk as the guest sees it, which need not be aligned to anything.
///
/// @param lengthBytes 0 or more
public record ByteRange(long startBytes, long lengthBytes) {
    public ByteRange {
        if (startBytes < 0 || lengthBytes < 0 || lengthBytes > Long.MAX_VALUE - startBytes) {
            throw new IllegalArgumentException(
                    "range %d+%d, start and length from 0 are allowed".formatted(startBytes, lengthBytes));
        }
    }

    public long endBytes() {
        return startBytes + lengthBytes;
    }

    /// Adds a range behind those there are; one that carries on where the last one ends becomes a part of it.
    public static void append(List<ByteRange> ranges, long startBytes, long lengthBytes) {
        ByteRange last = ranges.isEmpty() ? null : ranges.getLast();
        if (last != null && last.endBytes() == startBytes) {
            ranges.set(ranges.size() - 1, new ByteRange(last.startBytes, last.lengthBytes + lengthBytes));
        } else {
            ranges.add(new ByteRange(startBytes, lengthBytes));
        }
    }

    /// {@return the smallest range of whole units that holds this one; an empty one stays}
    ByteRange roundedOut(int unitBytes) {
        if (lengthBytes == 0) {
            return this;
        }
        long start = startBytes / unitBytes * unitBytes;
        long end = Math.ceilDiv(endBytes(), unitBytes) * unitBytes;
        return new ByteRange(start, end - start);
    }
}
