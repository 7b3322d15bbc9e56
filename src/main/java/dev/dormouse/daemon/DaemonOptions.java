package dev.dormouse.daemon;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// How a daemon is started.
///
/// @param qemu the `qemu-system-x86_64` to use; found by the environment if null
/// @param listen where HTTP is served beside the unix socket; nowhere if null. Without TLS a loopback address
/// @param tls with what TLS is served there; in the clear if null
/// @param requestsPerSecond how many requests each token may send over TCP, for some time
/// @param memoryLimitBytes how much memory the VMs that are awake may have together; 0 for no limit
/// @param restoresMax how many restores may be under way at once; 0 for no limit
/// @param restoresBytesPerSecond how much memory all restores together load in the background; 0 for no limit
/// @param suspendsWithHost whether VMs are suspended when the host ends, and resumed when it is back
/// @param yields whether it makes room for another daemon that wants its home and does not yield itself
public record DaemonOptions(
        @Nullable Path qemu,
        @Nullable InetSocketAddress listen,
        @Nullable TlsFiles tls,
        int requestsPerSecond,
        long memoryLimitBytes,
        int restoresMax,
        long restoresBytesPerSecond,
        boolean suspendsWithHost,
        boolean yields) {
    public static final int REQUESTS_PER_SECOND = 300;

    /// @param certificate PEM, that of the issuers behind it
    /// @param key PEM, PKCS #8
    public record TlsFiles(Path certificate, Path key) {}

    public DaemonOptions(@Nullable Path qemu, @Nullable InetSocketAddress listen) {
        this(qemu, listen, 0, 0);
    }

    public DaemonOptions(
            @Nullable Path qemu, @Nullable InetSocketAddress listen, long memoryLimitBytes, int restoresMax) {
        this(qemu, listen, null, REQUESTS_PER_SECOND, memoryLimitBytes, restoresMax, 0, false, false);
    }

    /// @param text `HOST:PORT` or `PORT`
    /// @param secure whether TLS is served there
    /// @throws IllegalArgumentException if it is none, or without TLS not a loopback address
    public static InetSocketAddress parseListen(String text, boolean secure) {
        int colon = text.lastIndexOf(':');
        String host = colon < 0 ? "127.0.0.1" : text.substring(0, colon);
        InetSocketAddress address;
        try {
            address = new InetSocketAddress(host, Integer.parseInt(text.substring(colon + 1)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "--listen '%s': not an address, use HOST:PORT as in 127.0.0.1:8080".formatted(text), e);
        }
        if (address.isUnresolved()) {
            throw new IllegalArgumentException("--listen '%s': nobody knows this host".formatted(text));
        }
        if (!secure && !address.getAddress().isLoopbackAddress()) {
            throw new IllegalArgumentException(
                    "--listen '%s': not a loopback address, tokens would go over the network in the clear; use 127.0.0.1:PORT, or --tls-cert and --tls-key"
                            .formatted(text));
        }
        return address;
    }
}
