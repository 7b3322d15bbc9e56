package dev.dormouse.daemon;

import dev.dormouse.engine.QemuScope;
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

    /// {@return whether a systemd is ending everything; without systemd never}
    static boolean isUnderWay() {
        return questions(System.getenv()).stream().anyMatch(HostShutdown::isAnsweredByStopping);
    }

    /// The manager of a user has the scopes of QEMU, and ends them. It is ended with the host, too, but may not be
    /// reached.
    static List<List<String>> questions(Map<String, String> environment) {
        List<String> ofHost = List.of("systemctl", "is-system-running");
        return QemuScope.isOfUser(environment)
                ? List.of(List.of("systemctl", "--user", "is-system-running"), ofHost)
                : List.of(ofHost);
    }

    private static boolean isAnsweredByStopping(List<String> question) {
        try {
            Process systemctl = new ProcessBuilder(question)
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
}
