package dev.dormouse.daemon;

import io.javalin.security.RouteRole;

/// What a route asks of its client. Apart from [Role], which commands use that have no HTTP server.
///
/// @param role the least that is enough
/// @param ofHost whether it concerns more than the VM that its path names, so that who may see only some VMs may not
///     use it; one that picks out those VMs itself does not
record Access(Role role, boolean ofHost) implements RouteRole {
    static final Access VIEWER = new Access(Role.VIEWER, false);
    static final Access OPERATOR = new Access(Role.OPERATOR, false);
    static final Access ADMIN = new Access(Role.ADMIN, false);
    static final Access HOST_VIEWER = new Access(Role.VIEWER, true);
    static final Access HOST_ADMIN = new Access(Role.ADMIN, true);
}
