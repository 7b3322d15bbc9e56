package dev.dormouse.daemon;

import java.io.File;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/// Finds out whether the whole host is about to end, and not only the daemon.
final class HostShutdown {
    private static final int PATIENCE_SECONDS = 5;

    private HostShutdown() {}

    /// {@return whether systemd is ending the host; without systemd never}
    static boolean isUnderWay() {
        try {
            Process systemctl = new ProcessBuilder("systemctl", "is-system-running")
                    .redirectInput(new File("/dev/null"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (!systemctl.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                systemctl.destroyForcibly();
                return false;
            }
            return new String(systemctl.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
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
