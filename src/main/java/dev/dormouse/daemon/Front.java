package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A port of the host that leads to a VM, and wakes it.
///
/// @param name what to call it
/// @param listen `HOST:PORT`, where clients connect
/// @param target where they come out: `vnc`, the VM's VNC server; `guest:PORT`, a port of the guest that one of the
///     VM's forwards leads to; or `HOST:PORT`
@Json
public record Front(String name, String listen, String target) {
    static final String VNC = "vnc";
    private static final String GUEST = "guest:";
    /// With port 0 nobody knows where QEMU listens.
    private static final Pattern FORWARD = Pattern.compile("tcp:([^:]*):([1-9][0-9]*)-[^:]*:([0-9]+)");
    private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9-]{0,19}");
    private static final Pattern ADDRESS = Pattern.compile("(?:(\\[[0-9A-Fa-f:]+]|[A-Za-z0-9.-]+):)?([0-9]{1,5})");
    private static final Pattern TARGET = Pattern.compile("vnc|[A-Za-z0-9.-]+:[0-9]{1,5}|\\[[0-9A-Fa-f:]+]:[0-9]{1,5}");

    /// @param text `[LISTEN=]TARGET`, where the port of the guest alone is a target too: `2222=22`,
    /// `127.0.0.1:5901=vnc`
    /// @throws IllegalArgumentException if it is none
    public static Front parse(String text) {
        String[] parts = text.split("=", -1);
        if (parts.length != 2) {
            throw new IllegalArgumentException(
                    "front '%s': use LISTEN=TARGET, as in 5901=vnc or 127.0.0.1:2222=22".formatted(text));
        }
        String target = parts[1].matches("[0-9]{1,5}") ? GUEST + parts[1] : parts[1];
        var front = new Front(target.equals(VNC) ? VNC : "port-" + port(parts[0]), parts[0], target);
        front.check();
        return front;
    }

    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        if (name == null || listen == null || target == null) {
            throw new IllegalArgumentException(
                    "front: '%s' is missing".formatted(name == null ? "name" : listen == null ? "listen" : "target"));
        }
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "front '%s': not a name, use 1 to 20 small letters, digits or '-'".formatted(name));
        }
        unresolved(listen); // Hosts are asked for when it is opened: at the start of this one nobody may know them.
        if (!TARGET.matcher(target).matches()) {
            throw new IllegalArgumentException(
                    "front %s: its target is '%s', use vnc, guest:PORT or HOST:PORT".formatted(name, target));
        }
    }

    /// @param vnc of the VM it is for
    /// @param forwards of that VM, in QEMU's form
    /// @throws IllegalArgumentException if it leads to what the VM has not, or nobody knows the host of `listen`
    void checkFor(@Nullable String vnc, List<String> forwards) {
        address(listen);
        if (target.equals(VNC) && vnc == null) {
            throw new IllegalArgumentException(
                    "front %s: the VM has no VNC server, which 'vm create --vnc' gives it".formatted(name));
        }
        if (guestPort().isPresent() && forwards.stream().noneMatch(this::leadsToIt)) {
            throw new IllegalArgumentException(
                    "front %s: none of the VM's forwards leads to port %s of the guest, 'vm create --network user,forward=tcp:127.0.0.1:2222-:%s' gives it one"
                            .formatted(name, guestPort().get(), guestPort().get()));
        }
    }

    /// {@return whether it leads to the VM itself, and only the host can connect to it}
    boolean isWithinTheVm() {
        return (target.equals(VNC) || guestPort().isPresent())
                && address(listen).getAddress().isLoopbackAddress();
    }

    /// {@return the port of the guest that it leads to; empty if that is somewhere else}
    Optional<String> guestPort() {
        return target.startsWith(GUEST) ? Optional.of(target.substring(GUEST.length())) : Optional.empty();
    }

    /// {@return where the first of the forwards listens that leads to its port of the guest}
    ///
    /// @param forwards in QEMU's form
    Optional<InetSocketAddress> forwarded(List<String> forwards) {
        return forwards.stream().filter(this::leadsToIt).findFirst().map(Front::listener);
    }

    private boolean leadsToIt(String forward) {
        Matcher matcher = FORWARD.matcher(forward);
        return matcher.matches() && guestPort().equals(Optional.of(matcher.group(3)));
    }

    private static InetSocketAddress listener(String forward) {
        Matcher matcher = FORWARD.matcher(forward);
        if (!matcher.matches()) {
            throw new IllegalStateException(forward);
        }
        String host = matcher.group(1).isEmpty() ? "127.0.0.1" : matcher.group(1);
        return new InetSocketAddress(host, Integer.parseInt(matcher.group(2)));
    }

    /// {@return whether it is to listen at a port where the other one does}
    boolean isInTheWayOf(Front other) {
        InetSocketAddress here = resolve(unresolved(listen));
        InetSocketAddress there = resolve(unresolved(other.listen));
        return here.getPort() != 0 && here.getPort() == there.getPort() && overlap(here, there);
    }

    /// False of hosts that nobody knows.
    private static boolean overlap(InetSocketAddress here, InetSocketAddress there) {
        return !here.isUnresolved()
                && !there.isUnresolved()
                && (here.getAddress().equals(there.getAddress())
                        || here.getAddress().isAnyLocalAddress()
                        || there.getAddress().isAnyLocalAddress());
    }

    /// {@return where it listens}
    InetSocketAddress address() {
        return address(listen);
    }

    /// {@return an address; without a host that of the loopback}
    static InetSocketAddress address(String text) {
        InetSocketAddress address = resolve(unresolved(text));
        if (address.isUnresolved()) {
            throw new IllegalArgumentException("'%s': nobody knows this host".formatted(text));
        }
        return address;
    }

    private static InetSocketAddress resolve(InetSocketAddress address) {
        return new InetSocketAddress(address.getHostString(), address.getPort());
    }

    /// {@return an address, of whose host nobody was asked}
    private static InetSocketAddress unresolved(String text) {
        Matcher matcher = text == null ? null : ADDRESS.matcher(text);
        int port = matcher == null || !matcher.matches() ? -1 : port(text);
        if (matcher == null || port < 0 || port > 65_535) {
            throw new IllegalArgumentException("'%s': not an address, use HOST:PORT or PORT".formatted(text));
        }
        return InetSocketAddress.createUnresolved(matcher.group(1) == null ? "127.0.0.1" : matcher.group(1), port);
    }

    private static int port(String address) {
        try {
            return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        } catch (NumberFormatException _) {
            return -1;
        }
    }
}
