package dev.dormouse.daemon;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Finds out whether all that runs beside the daemon is about to end, QEMU as well, and not only the daemon: with the
/// host, or with the last session of a user who does not linger.
final class HostShutdown {
    private static final int PATIENCE_SECONDS = 5;

    private HostShutdown() {}

    /// {@return whether the systemd that has started the daemon is ending everything; without systemd never}
    static boolean isUnderWay() {
        try {
            Process systemctl = new ProcessBuilder(question(System.getenv()))
                    .redirectInput(new File("/dev/null"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (!systemctl.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                systemctl.destroyForcibly();
                return false;
            }
            return new String(systemctl.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                    .strip()
                    .equals("stopping");
        } catch (IOException _) {
            return false; // There is no systemctl.
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /// The manager of a user has the scopes of QEMU, and ends them; it is ended with the host, too.
    static List<String> question(Map<String, String> environment) {
        return environment.containsKey("MANAGERPID")
                ? List.of("systemctl", "--user", "is-system-running")
                : List.of("systemctl", "is-system-running");
    }
}
