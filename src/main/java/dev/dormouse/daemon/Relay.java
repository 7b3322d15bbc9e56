package dev.dormouse.daemon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Passes bytes between two connections, both ways, until both ends have had enough. Who shuts down its sending side
/// may still receive. Each direction waits on a virtual thread with a small buffer, and takes a large one from a pool
/// while bytes come in plenty: a connection that is idle costs some kilobytes. What the client says before its server
/// is known is kept, as far as it fits into a small buffer.
final class Relay {
    private static final int SMALL_BYTES = 2 << 10;
    private static final int LARGE_BYTES = 256 << 10;
    private static final int POOLED = 16;
    private static final long LOOK_MILLIS = 500;
    private static final BlockingQueue<ByteBuffer> POOL = new ArrayBlockingQueue<>(POOLED);

    private final SocketChannel client;
    private final Runnable gone;
    private final Runnable ended;
    private final Thread listener;
    private final ByteBuffer early = ByteBuffer.allocate(SMALL_BYTES); // Guarded by this, as is what follows.
    private @Nullable SocketChannel server;
    private Consumer<ByteBuffer> said = _ -> {};
    private boolean silent;

    private Relay(SocketChannel client, Runnable gone, Runnable ended) {
        this.client = client;
        this.gone = gone;
        this.ended = ended;
        listener = Thread.ofVirtual().name("relay").unstarted(this::listen);
    }

    /// Begins to take what the client says, before there is anybody to pass it to.
    ///
    /// @param gone run if the client goes before that, without having said anything or by breaking the connection
    /// @param ended run if the client ends its side before that, after it has said something: it has gone, or
    ///     waits for its answer, which nobody can tell before something is sent to it
    static Relay listenTo(SocketChannel client, Runnable gone, Runnable ended) {
        var relay = new Relay(client, gone, ended);
        relay.listener.start();
        return relay;
    }

    /// {@return what the client has said so far: once it is so much, or the client has ended, or it took too long}
    synchronized byte[] hear(int bytes, Duration patience) throws InterruptedException {
        long end = System.nanoTime() + patience.toNanos();
        long left = patience.toMillis();
        while (early.position() < bytes && !silent && left > 0) {
            wait(left);
            left = (end - System.nanoTime()) / 1_000_000;
        }
        return Arrays.copyOf(early.array(), early.position());
    }

    /// Passes bytes both ways, and returns when both directions have ended; both connections are closed then.
    ///
    /// @param answered is given what the server has sent: the smaller pieces, when they have been passed on, by the
    ///     thread that passes them
    /// @param said the same of the client
    void run(SocketChannel to, Consumer<ByteBuffer> answered, Consumer<ByteBuffer> said)
            throws IOException, InterruptedException {
        synchronized (this) { // What comes later waits for what was said before.
            send(early, to);
            this.said = said;
            server = to;
            notifyAll();
        }
        pass(to, client, answered);
        listener.join();
        close(client);
        close(to);
    }

    private void listen() {
        try {
            ByteBuffer last = ByteBuffer.allocateDirect(SMALL_BYTES);
            boolean more = takeEarly(last);
            SocketChannel to = awaitServer(more);
            if (to == null) {
                return;
            }
            send(last, to);
            if (more) {
                copy(client, to, whatIsSaid());
            }
            to.shutdownOutput();
        } catch (IOException _) {
            lost();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    /// @param last gets what came when the server was there already
    /// @return whether the client may say more
    private boolean takeEarly(ByteBuffer last) throws IOException {
        while (last.limit(room()).hasRemaining()) {
            if (client.read(last) < 0) {
                return false;
            }
            if (!keep(last)) {
                return true;
            }
        }
        return true;
    }

    private synchronized int room() {
        return early.remaining();
    }

    private synchronized boolean keep(ByteBuffer said) {
        if (server != null) {
            return false;
        }
        early.put(said.flip());
        said.clear();
        notifyAll();
        return true;
    }

    /// @return null if there will be none
    private synchronized @Nullable SocketChannel awaitServer(boolean more) throws InterruptedException {
        if (!more) {
            silent = true;
            notifyAll();
            if (server == null && early.position() == 0) {
                gone.run();
                return null;
            }
            if (server == null) {
                ended.run();
            }
        }
        while (server == null && client.isOpen()) {
            wait(LOOK_MILLIS); // Closed by whoever gave up: nobody tells.
        }
        return server;
    }

    private synchronized Consumer<ByteBuffer> whatIsSaid() {
        return said;
    }

    private void lost() {
        SocketChannel to;
        synchronized (this) {
            to = server;
            silent = true;
            notifyAll();
        }
        close(client);
        if (to == null) {
            gone.run();
        } else {
            close(to);
        }
    }

    /// What ends one direction badly ends the other, too.
    private static void pass(SocketChannel from, SocketChannel to, Consumer<ByteBuffer> passed) {
        try {
            copy(from, to, passed);
            to.shutdownOutput();
        } catch (IOException _) {
            close(from);
            close(to);
        }
    }

    private static void copy(SocketChannel from, SocketChannel to, Consumer<ByteBuffer> passed) throws IOException {
        ByteBuffer small = ByteBuffer.allocateDirect(SMALL_BYTES);
        while (from.read(small) >= 0) {
            boolean full = !small.hasRemaining();
            ByteBuffer piece = small.duplicate().flip();
            send(small, to);
            passed.accept(piece);
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
