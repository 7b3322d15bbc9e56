package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.ExecutionException;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.api.StatusCode;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Passes bytes between the WebSocket of a browser and a client's end of a front, each of which has a virtual thread.
final class ScreenBridge implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ScreenBridge.class);
    private static final int BUFFER_BYTES = 64 << 10;

    private final String vm;
    private final Session session;
    private final SocketChannel front;

    /// @param front its own end; taken over
    ScreenBridge(String vm, Session session, SocketChannel front) {
        this.vm = vm;
        this.session = session;
        this.front = front;
        Thread.ofVirtual().name("screen of " + vm).start(this::passToBrowser);
    }

    /// The browser has sent something. Blocks while the VM takes no more: then the browser is not listened to either.
    void received(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            front.write(bytes);
        }
    }

    private void passToBrowser() {
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        try (front) {
            while (front.read(buffer) >= 0) {
                var sent = new Callback.Completable();
                session.sendBinary(buffer.flip(), sent);
                sent.get(); // Or the browser is found to be gone.
                buffer.clear();
            }
        } catch (IOException e) {
            LOG.debug("vm {}: a screen is closed: {}", vm, ErrorText.of(e));
        } catch (ExecutionException e) {
            LOG.debug("vm {}: a browser is gone: {}", vm, e.getMessage());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } finally {
            session.close(StatusCode.NORMAL, "the screen is closed", Callback.NOOP);
        }
    }

    @Override
    public void close() throws IOException {
        front.close();
    }
}
