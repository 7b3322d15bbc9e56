package dev.dormouse.qmp;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// The limit that Linux sets to the names of unix sockets.
public final class SocketPath {
    /// `sizeof(sun_path)` is 108, one byte ends the string.
    public static final int LENGTH_BYTES_MAX = 107;

    private SocketPath() {}

    /// {@return the path, which is short enough for a unix socket}
    public static Path checked(Path socket) throws QemuException {
        int lengthBytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (lengthBytes > LENGTH_BYTES_MAX) {
            throw new QemuException(socket + ": the path of a unix socket has " + lengthBytes + " bytes, "
                    + LENGTH_BYTES_MAX + " are allowed: choose a shorter directory");
        }
        return socket;
    }
}
