package dev.dormouse.daemon;

import io.javalin.security.RouteRole;

/// What a route asks of its client. Apart from [Role], which commands use that have no HTTP server.
record Access(Role role) implements RouteRole {
    static final Access VIEWER = new Access(Role.VIEWER);
    static final Access OPERATOR = new Access(Role.OPERATOR);
    static final Access ADMIN = new Access(Role.ADMIN);
}
