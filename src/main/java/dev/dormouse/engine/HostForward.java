package dev.dormouse.engine;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A port of the host that leads to one of the guest, in QEMU's form: `tcp:127.0.0.1:2222-:22`.
final class HostForward {
    private static final Pattern FORM = Pattern.compile("(tcp|udp):([^:]*):(\\d+)(-.*)");

    private HostForward() {}

    /// {@return the same forward from a port that is free now, as only one guest can have the old one; as it
    /// is where it has another form}
    static String onFreePort(String forward) throws IOException {
        Matcher parts = FORM.matcher(forward);
        if (!parts.matches()) {
            return forward;
        }
        String host = parts.group(2);
        InetAddress address = host.isEmpty() ? new InetSocketAddress(0).getAddress() : InetAddress.getByName(host);
        int port = parts.group(1).equals("tcp") ? freeTcpPort(address) : freeUdpPort(address);
        return parts.group(1) + ":" + host + ":" + port + parts.group(4);
    }

    private static int freeTcpPort(InetAddress address) throws IOException {
        try (var socket = new ServerSocket(0, 1, address)) {
            return socket.getLocalPort();
        }
    }

    private static int freeUdpPort(InetAddress address) throws IOException {
        try (var socket = new DatagramSocket(0, address)) {
            return socket.getLocalPort();
        }
    }
}
