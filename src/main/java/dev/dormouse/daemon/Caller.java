package dev.dormouse.daemon;

import io.javalin.http.Context;
import io.javalin.websocket.WsContext;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Who sent a request, and what it may do.
///
/// @param name of its token; `owner` of who came by the unix socket
/// @param sha256 of its token; null of who came by the unix socket
/// @param vms patterns of the names of the VMs that it may see, `*` at the end stands for anything; null for all
record Caller(
        String name,
        Role role,
        @Nullable String sha256,
        @Nullable List<String> vms) {
    static final Caller OWNER = new Caller("owner", Role.ADMIN, null, null);
    private static final String ATTRIBUTE = "caller";

    void attach(Context request) {
        request.attribute(ATTRIBUTE, this);
    }

    /// {@return who sent it; null of one that was refused}
    static @Nullable Caller find(Context request) {
        return request.attribute(ATTRIBUTE);
    }

    /// {@return who opened a WebSocket}
    static @Nullable Caller find(WsContext webSocket) {
        return webSocket.attribute(ATTRIBUTE);
    }

    /// {@return who sent it, which was let in}
    static Caller of(Context request) {
        Caller caller = find(request);
        if (caller == null) {
            throw new IllegalStateException("nobody has asked who sends %s".formatted(request.path()));
        }
        return caller;
    }

    boolean seesAll() {
        return vms == null;
    }

    boolean sees(String vm) {
        return vms == null || vms.stream().anyMatch(pattern -> matches(pattern, vm));
    }

    private static boolean matches(String pattern, String vm) {
        return pattern.endsWith("*") ? vm.startsWith(pattern.substring(0, pattern.length() - 1)) : vm.equals(pattern);
    }
}
