package dev.dormouse.engine;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// The unix socket to which QEMU migrates, read with a bound on its silence, so that a hung QEMU cannot
/// hang a suspend, and with an ear for Ctrl-C. One thread.
final class CaptureChannel implements ReadableByteChannel {
    private static final Duration SILENCE_MAX = Duration.ofSeconds(60);
    private static final int RECEIVE_BYTES = 4 << 20;
    private final Path path;
    private final String resource;
    private final Cancellation cancellation;
    private final ServerSocketChannel server;
    private final Selector selector;
    private @Nullable SocketChannel peer;

    private CaptureChannel(
            Path path, String resource, Cancellation cancellation, ServerSocketChannel server, Selector selector) {
        this.path = path;
        this.resource = resource;
        this.cancellation = cancellation;
        this.server = server;
        this.selector = selector;
    }

    /// Listens on the path, which is free afterwards whatever lay there.
    ///
    /// @param resource what errors call the capture, such as the name of the VM
    static CaptureChannel listen(Path path, String resource, Cancellation cancellation) throws IOException {
        Files.deleteIfExists(path);
        Selector selector = Selector.open();
        ServerSocketChannel server = ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(path));
        VmSockets.narrow(path);
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        return new CaptureChannel(path, resource, cancellation, server, selector);
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
        while (true) {
            cancellation.check(resource);
            if (peer == null) {
                awaitReady("did not connect");
                accept();
                continue;
            }
            int bytes = peer.read(into);
            if (bytes != 0) {
                return bytes;
            }
            awaitReady("sent nothing");
        }
    }

    private void accept() throws IOException {
        SocketChannel accepted = server.accept();
        if (accepted != null) {
            accepted.configureBlocking(false);
            accepted.setOption(java.net.StandardSocketOptions.SO_RCVBUF, RECEIVE_BYTES);
            server.keyFor(selector).cancel();
            accepted.register(selector, SelectionKey.OP_READ);
            peer = accepted;
        }
    }

    private void awaitReady(String what) throws IOException {
        long end = System.nanoTime() + SILENCE_MAX.toNanos();
        while (selector.select(200) == 0) {
            cancellation.check(resource);
            if (System.nanoTime() - end >= 0) {
                throw new VmException("%s: QEMU %s for %d s, the capture is given up and the VM runs on"
                        .formatted(resource, what, SILENCE_MAX.toSeconds()));
            }
        }
        selector.selectedKeys().clear();
    }

    @Override
    public boolean isOpen() {
        return selector.isOpen();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        server.close();
        if (peer != null) {
            peer.close();
        }
        Files.deleteIfExists(path);
    }
}
