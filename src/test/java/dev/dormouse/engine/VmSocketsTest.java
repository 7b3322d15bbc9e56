package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VmSocketsTest {
    private static final int ROUNDS = 3000;

    @TempDir
    private Path folder;

    @Test
    void socketsAreNarrowedBesideFilesThatComeAndGo() throws Exception {
        var sockets = new VmSockets(folder, folder);
        var ended = new AtomicBoolean();
        CompletableFuture<Void> status = CompletableFuture.runAsync(() -> renameUntil(ended));
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(sockets.qmp()));
            Files.setPosixFilePermissions(sockets.qmp(), PosixFilePermissions.fromString("rwxrwxrwx"));
            for (int round = 0; round < ROUNDS; round++) {
                sockets.narrow();
            }
        } finally {
            ended.set(true);
        }

        status.join();
        assertThat(Files.getPosixFilePermissions(sockets.qmp()))
                .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    }

    private void renameUntil(AtomicBoolean ended) {
        try {
            while (!ended.get()) {
                Path aside = Files.write(folder.resolve("restore-status.new"), new byte[1]);
                Files.move(aside, folder.resolve("restore-status"), StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
