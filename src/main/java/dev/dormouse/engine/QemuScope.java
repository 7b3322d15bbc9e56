package dev.dormouse.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Under systemd each QEMU gets a scope of its own, so that stopping or restarting the daemon's service, and what that
/// service may use, do not concern it. The service asks for it by `DORMOUSE_UNIT`, the unit that the scopes are ordered
/// before, and the service itself after: at the end of the host the daemon ends first, which suspends VMs.
public final class QemuScope {
    static final String UNIT = "DORMOUSE_UNIT";
    /// systemd sets it for what the manager of a user starts.
    private static final String USER_MANAGER = "MANAGERPID";

    private QemuScope() {}

    /// {@return what stands before the command of a VM's QEMU; nothing outside of such a service}. `systemd-run`
    /// becomes the program that it starts, under the same pid.
    static List<String> prefix(Map<String, String> environment, String vm) {
        String unit = environment.get(UNIT);
        boolean ofUser = isOfUser(environment);
        if (unit == null || unit.isEmpty() || !(ofUser || isRoot(environment))) {
            return List.of();
        }
        var argv = new ArrayList<String>(List.of("systemd-run", "--scope", "--quiet", "--collect"));
        if (ofUser) {
            argv.add("--user");
        }
        argv.add("--description=Dormouse VM " + vm);
        argv.add("--property=Before=" + unit);
        argv.add("--");
        return argv;
    }

    /// {@return whether the manager of a user has started what has this environment, and so has the scopes of QEMU}
    public static boolean isOfUser(Map<String, String> environment) {
        return environment.containsKey(USER_MANAGER);
    }

    /// Of a service of the system, for which `USER` is set where it has `User=`: another user gets no scopes of the
    /// system, and needs none where the service has `KillMode=process`.
    private static boolean isRoot(Map<String, String> environment) {
        return environment.getOrDefault("USER", "root").equals("root");
    }
}
