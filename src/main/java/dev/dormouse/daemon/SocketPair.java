package dev.dormouse.daemon;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/// The two ends of a connection inside of this process.
record SocketPair(SocketChannel one, SocketChannel other) {
    /// @param file does not exist, in a folder that only the owner can enter: whoever else connected there would get
    ///     the place of one end. It is gone when this returns
    static SocketPair open(Path file) throws IOException {
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(file);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address, 1);
            SocketChannel one = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                one.connect(address);
                return new SocketPair(one, server.accept());
            } catch (IOException e) {
                one.close();
                throw e;
            }
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
