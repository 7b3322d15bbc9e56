package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class ScreenRequestTest {
    private static final byte[] HANDSHAKE = "RFB 003.008\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] ENCODINGS = {2, 0, 0, 1, 0, 0, 0, 0};
    private static final byte[] WHOLE_SCREEN = {3, 0, 0, 0, 0, 0, 2, (byte) 208, 1, (byte) 144};

    @TempDir
    Path folder;

    @Test
    void aFirstRequestConnectsToQemuOnceMore() throws Exception {
        var address = UnixDomainSocketAddress.of(folder.resolve("vnc"));
        try (var qemu = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            qemu.bind(address).configureBlocking(false);
            var request = new ScreenRequest(address);
            request.accept(ByteBuffer.wrap(HANDSHAKE));
            request.accept(ByteBuffer.wrap(ENCODINGS));
            assertThat(qemu.accept()).as("nobody has asked for the screen").isNull();
            ByteBuffer both = ByteBuffer.allocate(ENCODINGS.length + WHOLE_SCREEN.length);
            request.accept(both.put(ENCODINGS).put(WHOLE_SCREEN).flip());
            qemu.configureBlocking(true);
            try (SocketChannel second = qemu.accept()) {
                assertThat(second.read(ByteBuffer.allocate(1)))
                        .as("it says nothing")
                        .isEqualTo(-1);
            }
            qemu.configureBlocking(false);
            request.accept(ByteBuffer.wrap(WHOLE_SCREEN));
            Thread.sleep(100);
            assertThat(qemu.accept()).as("only the first one is hurried").isNull();
        }
    }

    @Test
    void aQemuThatIsGoneIsNoFault() {
        var request = new ScreenRequest(UnixDomainSocketAddress.of(folder.resolve("gone")));
        assertThatCode(request::look).doesNotThrowAnyException();
        assertThat(folder).isEmptyDirectory();
    }
}
