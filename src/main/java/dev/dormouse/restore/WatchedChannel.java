package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The way to QEMU, watched: one that does not read would hold up the owner thread without a word. That is
/// told after a while, for somebody may have stopped the process, and given up after a long while, which
/// leaves the restore to a recovery.
///
/// The owner thread writes; a thread of this object's own watches until the socket is closed.
final class WatchedChannel implements WritableByteChannel {
    private final SocketChannel channel;
    private final String resource;
    private final RestoreListener listener;
    private final Limits limits;
    private final Object lock = new Object();
    private long startNanos;
    private boolean writing;
    private boolean told;
    private volatile @Nullable RestoreException givenUp;

    /// @param tell after how long it is told that a write does not get on
    /// @param giveUp after how long the socket is closed
    record Limits(Duration look, Duration tell, Duration giveUp) {
        static final Limits DEFAULT = new Limits(Duration.ofSeconds(1), Duration.ofSeconds(5), Duration.ofMinutes(10));
    }

    /// @param resource what errors call the restore
    /// @param channel blocking; the caller's to close
    /// @param listener told by the watching thread too
    WatchedChannel(String resource, SocketChannel channel, RestoreListener listener, Limits limits) {
        this.resource = resource;
        this.channel = channel;
        this.listener = listener;
        this.limits = limits;
        Thread.ofPlatform().daemon().name("write-watch").start(this::watch);
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        synchronized (lock) {
            writing = true;
            startNanos = System.nanoTime();
        }
        try {
            int written = channel.write(source);
            throwIfGivenUp(); // A write that is cut off when the socket closes may return what went before.
            return written;
        } catch (ClosedChannelException e) {
            throwIfGivenUp();
            throw e;
        } finally {
            synchronized (lock) {
                writing = false;
                if (told) {
                    told = false;
                    listener.unstalled();
                }
            }
        }
    }

    private void throwIfGivenUp() throws RestoreException {
        RestoreException reason = givenUp;
        if (reason != null) {
            throw reason;
        }
    }

    private void watch() {
        try {
            while (channel.isOpen()) {
                Thread.sleep(limits.look);
                look();
            }
        } catch (InterruptedException | IOException _) {
            // Nobody interrupts it, and a socket that cannot be closed is closed.
        }
    }

    private void look() throws IOException {
        synchronized (lock) {
            long nanos = System.nanoTime() - startNanos;
            if (!writing || nanos < limits.tell.toNanos()) {
                return;
            }
            if (!told) {
                told = true;
                listener.stalled("%s: QEMU has taken nothing for %d s, is its process stopped?"
                        .formatted(resource, limits.tell.toSeconds()));
            }
            if (nanos < limits.giveUp.toNanos()) {
                return;
            }
            givenUp = new RestoreException("%s: QEMU has taken nothing for %d s, the connection is given up"
                    .formatted(resource, limits.giveUp.toSeconds()));
        }
        channel.close();
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    /// Does nothing: the socket is the caller's.
    @Override
    public void close() {}
}
