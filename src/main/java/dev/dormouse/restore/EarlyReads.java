package dev.dormouse.restore;

import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// Has the kernel read into its page cache what a restore is going to want, while QEMU still starts: what goes ahead
/// first, then the rest in the order of the background.
///
/// It gives hints, and now and then reads a group to find out that they were followed. So it takes no memory of ours,
/// hardly any processor time where everything is cached, and a page that somebody waits for stands behind no more than
/// a piece. Where piece after piece is there already it ends by itself. A thread of its own, which nobody waits for
/// before the image is closed.
final class EarlyReads implements AutoCloseable {
    private static final int NICE = 19;
    /// Extents that lie together are asked for at once: storage counts reads, too.
    private static final int GROUPS_MAX = 16;
    private static final int PIECE_BYTES = 1 << 20;
    /// No storage has a piece as soon as that, only the page cache.
    private static final long CACHED_NANOS = 150_000;
    /// After so many such pieces in a row all is taken to be cached, and QEMU, which starts, gets the processor.
    private static final int CACHED_PIECES = 16;
    /// How quick storage is cannot be told from less.
    private static final long TELLING_BYTES = 4L * PIECE_BYTES;

    private final ImagePageSource source;
    private final @Nullable WorkingSet ahead;
    private final BitSet wanted;
    private final Thread thread;
    private volatile boolean ended;
    private volatile Read read = new Read(0, 0, 0, false);
    private long underWayBytes;
    private long pieceNanos = System.nanoTime();
    private int cachedPieces;
    private boolean inOrder; // It is at what is not of the set.

    /// What has been read so far.
    ///
    /// @param bytes in all
    /// @param storageBytes those that were not cached
    /// @param storageNanos in which storage gave them
    /// @param cached whether what is not of the set was there already, and so the rest is taken to be, too
    private record Read(long bytes, long storageBytes, long storageNanos, boolean cached) {
        Read plus(long pieceBytes, long nanos, boolean restIsCached) {
            boolean ofStorage = nanos >= CACHED_NANOS;
            return new Read(
                    bytes + pieceBytes,
                    storageBytes + (ofStorage ? pieceBytes : 0),
                    storageNanos + (ofStorage ? nanos : 0),
                    restIsCached);
        }
    }

    private EarlyReads(ImagePageSource source, @Nullable WorkingSet ahead) {
        this.source = source;
        this.ahead = ahead != null && ahead.frameCount() == source.frameCount() ? ahead : null;
        wanted = new BitSet(source.groupCount());
        thread = Thread.ofPlatform().daemon().name("restore-early-reads").unstarted(this::run);
    }

    /// @param source to be open until this is closed
    /// @param ahead what the restore places first; null if nothing is known
    static EarlyReads start(ImagePageSource source, @Nullable WorkingSet ahead) {
        var reads = new EarlyReads(source, ahead);
        reads.thread.start();
        return reads;
    }

    /// Begins nothing more: whoever places pages reads them from now on.
    void end() {
        ended = true;
    }

    /// {@return how long storage is going to take for what is not read yet of so many bytes, if it goes on as it has
    /// begun; `Long.MAX_VALUE` if it has hardly begun} Any thread.
    long nanosForRest(long bytes) {
        Read soFar = read;
        if (soFar.cached) {
            return 0;
        }
        return soFar.storageBytes < TELLING_BYTES
                ? Long.MAX_VALUE
                : (long) (Math.max(0, bytes - soFar.bytes) * ((double) soFar.storageNanos / soFar.storageBytes));
    }

    private void run() {
        Libc.setThreadNice(NICE); // Where that fails it reads all the same.
        try (PageSource.GroupBuffer buffer = source.newGroupBuffer()) {
            for (int time = 0; ahead != null && time < WorkingSet.GROUP_COUNT && !isCached(); time++) {
                readAll(groups(ahead, time), buffer);
            }
            cachedPieces = 0; // A set may be cached since its rehearsal.
            inOrder = true;
            var rest = new BitSet(source.groupCount());
            rest.set(0, source.groupCount());
            readAll(rest, buffer);
        } catch (IOException | RuntimeException | OutOfMemoryError _) {
            // Whoever needs the page is told.
        }
    }

    private BitSet groups(WorkingSet set, int time) throws IOException {
        var groups = new BitSet(source.groupCount());
        for (int i = 0; i < set.size(time) && !ended; i++) {
            long frame = set.frame(time, i);
            if (!source.isZero(frame)) {
                groups.set(source.group(frame));
            }
        }
        return groups;
    }

    /// Reads those that were not wanted before, ascending.
    private void readAll(BitSet groups, PageSource.GroupBuffer buffer) throws IOException {
        groups.andNot(wanted);
        wanted.or(groups);
        for (int first = groups.nextSetBit(0); first >= 0 && !ended && !isCached(); ) {
            int end = Math.min(groups.nextClearBit(first), first + GROUPS_MAX);
            underWayBytes += source.willNeed(first, end - first);
            if (underWayBytes >= PIECE_BYTES) {
                buffer.read(end - 1);
                endPiece();
            }
            first = groups.nextSetBit(end);
        }
    }

    private boolean isCached() {
        return cachedPieces == CACHED_PIECES;
    }

    private void endPiece() {
        long now = System.nanoTime();
        long nanos = now - pieceNanos;
        cachedPieces = nanos < CACHED_NANOS ? cachedPieces + 1 : 0;
        read = read.plus(underWayBytes, nanos, inOrder && isCached());
        pieceNanos = now;
        underWayBytes = 0;
    }

    /// Ends it, and waits for the piece that is being read: for as long as storage takes.
    @Override
    public void close() {
        end();
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException _) {
                interrupted = true; // What it reads must not be closed under its hands.
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
