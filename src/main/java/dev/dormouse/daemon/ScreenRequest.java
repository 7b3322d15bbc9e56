package dev.dormouse.daemon;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has QEMU look at the screen as soon as a VNC client first asks for it. QEMU's VNC server looks when a client
/// connects, which has asked for nothing yet, and next after 80 ms, later still when nothing changed (`vnc_refresh`).
/// A second connection sets the time between two looks back to 30 ms, which have often passed when a client asks; it
/// says nothing and ends at once. Called by the thread that passes on what the client says.
final class ScreenRequest implements Consumer<ByteBuffer> {
    private static final Logger LOG = LoggerFactory.getLogger(ScreenRequest.class);
    private static final byte UPDATE_REQUEST = 3; // RFC 6143, 7.5.3; the second byte is 0 or 1.
    private static final int UPDATE_REQUEST_BYTES = 10;

    private final SocketAddress qemu;
    private boolean seen;

    ScreenRequest(SocketAddress qemu) {
        this.qemu = qemu;
    }

    /// @param said what was passed on to QEMU. Clients wait for the screen once they have asked for it, so a request
    ///     ends a piece; what only looks like one costs a connection that QEMU soon forgets
    @Override
    public void accept(ByteBuffer said) {
        int request = said.limit() - UPDATE_REQUEST_BYTES;
        if (!seen && request >= 0 && said.get(request) == UPDATE_REQUEST && (said.get(request + 1) & ~1) == 0) {
            seen = true;
            Thread.ofVirtual().name("look at the screen").start(this::look); // A QEMU that hangs takes none.
        }
    }

    /// Has QEMU look, if it is there; blocks while it takes no more connections.
    void look() {
        try {
            SocketChannel.open(qemu).close();
        } catch (IOException e) {
            LOG.debug("{}: the screen is looked at later: {}", qemu, e.getMessage());
        }
    }
}
