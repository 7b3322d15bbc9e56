package dev.dormouse.daemon;

import dev.dormouse.catalog.Visit;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A client of a front, from when it came. Any thread.
final class Stay {
    private final String vm;
    private final String front;
    private final String peer;
    private final String time = Operation.now();
    private final long beginNanos = System.nanoTime();
    private volatile @Nullable Long reachedMillis;
    private volatile @Nullable Long firstBytesMillis;
    private volatile @Nullable String error;

    Stay(String vm, String front, SocketChannel client) {
        this.vm = vm;
        this.front = front;
        peer = address(client);
    }

    private static String address(SocketChannel client) {
        try {
            return client.getRemoteAddress() instanceof InetSocketAddress address
                    ? "%s:%d".formatted(address.getHostString(), address.getPort())
                    : "browser"; // By the console, which passes its bytes on.
        } catch (IOException _) {
            return "unknown"; // It is gone already.
        }
    }

    private long millis() {
        return (System.nanoTime() - beginNanos) / 1_000_000;
    }

    /// It is connected to the VM.
    void reached() {
        reachedMillis = millis();
    }

    /// The VM has sent something, whose first bytes count.
    void answered() {
        if (firstBytesMillis == null) {
            firstBytesMillis = millis();
        }
    }

    void refused(String reason) {
        error = Objects.requireNonNullElse(error, reason);
    }

    /// {@return it as it is to be remembered, when the client is gone}
    Visit visit() {
        return new Visit(0, vm, front, peer, time, reachedMillis, firstBytesMillis, millis(), error);
    }
}
