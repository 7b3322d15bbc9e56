package dev.dormouse.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Under systemd each QEMU gets a scope of its own, so that stopping or restarting the daemon's service, and what that
/// service may use, do not concern it. The unit says so by `DORMOUSE_UNIT`, its own name: the scopes are ordered before
/// it, so that at the end of the host the daemon ends first, which suspends VMs.
final class QemuScope {
    static final String UNIT = "DORMOUSE_UNIT";

    private QemuScope() {}

    /// {@return what stands before the command of a VM's QEMU; nothing outside of such a unit}. `systemd-run --scope`
    /// becomes the program that it starts, under the same pid.
    static List<String> prefix(Map<String, String> environment, String vm) {
        String unit = environment.get(UNIT);
        if (unit == null || unit.isEmpty()) {
            return List.of();
        }
        var argv = new ArrayList<String>(List.of("systemd-run", "--scope", "--quiet", "--collect"));
        if (!"root".equals(environment.get("USER")) && environment.containsKey("XDG_RUNTIME_DIR")) {
            argv.add("--user");
        }
        argv.add("--description=Dormouse VM " + vm);
        argv.add("--property=Before=" + unit);
        argv.add("--");
        return argv;
    }
}
