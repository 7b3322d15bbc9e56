package dev.dormouse.daemon;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// How a daemon is started.
///
/// @param qemu the `qemu-system-x86_64` to use; found by the environment if null
/// @param listen where HTTP is served beside the unix socket, a loopback address; nowhere if null
/// @param memoryLimitBytes how much memory the VMs that are awake may have together; 0 for no limit
/// @param restoresMax how many restores may be under way at once; 0 for no limit
public record DaemonOptions(
        @Nullable Path qemu, @Nullable InetSocketAddress listen, long memoryLimitBytes, int restoresMax) {
    public DaemonOptions(@Nullable Path qemu, @Nullable InetSocketAddress listen) {
        this(qemu, listen, 0, 0);
    }

    /// @param text `HOST:PORT` or `PORT`
    /// @throws IllegalArgumentException if it is none, or not a loopback address
    public static InetSocketAddress parseListen(String text) {
        int colon = text.lastIndexOf(':');
        String host = colon < 0 ? "127.0.0.1" : text.substring(0, colon);
        InetSocketAddress address;
        try {
            address = new InetSocketAddress(host, Integer.parseInt(text.substring(colon + 1)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "--listen '%s': not an address, use HOST:PORT as in 127.0.0.1:8080".formatted(text), e);
        }
        if (address.isUnresolved() || !address.getAddress().isLoopbackAddress()) {
            throw new IllegalArgumentException(
                    "--listen '%s': not a loopback address, use 127.0.0.1:PORT: HTTP is served in the clear"
                            .formatted(text));
        }
        return address;
    }
}
