package dev.dormouse.testkit;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;

/// Ports of the loopback for those who must know their port before they listen.
public final class FreePort {
    private FreePort() {}

    /// {@return one at which nobody listens now}
    public static int any() throws IOException {
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }
}
