package dev.dormouse.daemon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/// Passes bytes between two connections, both ways, until both ends have had enough. Who shuts down its sending side
/// may still receive. Each direction waits on a virtual thread with a small buffer, and takes a large one from a pool
/// while bytes come in plenty: a connection that is idle costs some kilobytes.
final class Relay {
    private static final int SMALL_BYTES = 2 << 10;
    private static final int LARGE_BYTES = 256 << 10;
    private static final int POOLED = 16;
    private static final BlockingQueue<ByteBuffer> POOL = new ArrayBlockingQueue<>(POOLED);

    private Relay() {}

    /// Returns when both directions have ended; both connections are closed then.
    ///
    /// @param answered run when the first bytes of the server are there
    static void run(SocketChannel client, SocketChannel server, Runnable answered) throws InterruptedException {
        Thread answers = Thread.ofVirtual().name("relay").start(() -> pass(server, client, answered));
        pass(client, server, () -> {});
        answers.join();
        close(client);
        close(server);
    }

    /// What ends one direction badly ends the other, too.
    private static void pass(SocketChannel from, SocketChannel to, Runnable begun) {
        try {
            copy(from, to, begun);
            to.shutdownOutput();
        } catch (IOException _) {
            close(from);
            close(to);
        }
    }

    private static void copy(SocketChannel from, SocketChannel to, Runnable begun) throws IOException {
        ByteBuffer small = ByteBuffer.allocateDirect(SMALL_BYTES);
        boolean first = true;
        while (from.read(small) >= 0) {
            if (first) {
                begun.run();
                first = false;
            }
            boolean full = !small.hasRemaining();
            send(small, to);
            if (full && !copyInPlenty(from, to)) {
                return;
            }
        }
    }

    /// Until a read leaves room: who waits for the next bytes is to hold no large buffer.
    ///
    /// @return whether there is more to come, of which nobody knows when
    private static boolean copyInPlenty(SocketChannel from, SocketChannel to) throws IOException {
        ByteBuffer pooled = POOL.poll();
        ByteBuffer large = pooled == null ? ByteBuffer.allocateDirect(LARGE_BYTES) : pooled;
        try {
            boolean plenty;
            int count;
            do {
                count = from.read(large);
                plenty = !large.hasRemaining();
                send(large, to);
            } while (plenty);
            return count >= 0;
        } finally {
            large.clear();
            var _ = POOL.offer(large);
        }
    }

    private static void send(ByteBuffer buffer, SocketChannel to) throws IOException {
        buffer.flip();
        while (buffer.hasRemaining()) {
            to.write(buffer);
        }
        buffer.clear();
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException _) {
            // Nobody needs it any more.
        }
    }
}
