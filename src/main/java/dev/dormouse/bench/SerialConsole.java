package dev.dormouse.bench;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/// What a guest without a probe says on its serial console. Any thread.
record SerialConsole(Path log) {
    private static final Duration TIMEOUT = Duration.ofMinutes(10);
    private static final long POLL_MILLIS = 500;
    private static final long LOG_BYTES_MAX = 4 << 20;

    static SerialConsole of(Home home, String vm) {
        return new SerialConsole(home.vm(vm).resolve("serial.log"));
    }

    /// Waits for the line that says that the guest is ready, at most ten minutes.
    ///
    /// @throws ProbeException if the guest says that it failed, or nothing in time
    void awaitReady() throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (System.nanoTime() < deadline) {
            String text = text();
            if (text.contains("DORMOUSE-READY")) {
                return;
            }
            if (text.contains("DORMOUSE-FAILED")) {
                throw new ProbeException(log + ": the guest could not compile its sources; remove its directory in"
                        + " the cache to build it anew");
            }
            Thread.sleep(POLL_MILLIS);
        }
        throw new ProbeException("%s: the guest is not ready after %d min, %d bytes were written; is the host busy?"
                .formatted(log, TIMEOUT.toMinutes(), text().length()));
    }

    private String text() throws IOException {
        if (!Files.exists(log)) {
            return "";
        }
        if (Files.size(log) > LOG_BYTES_MAX) {
            throw new ProbeException(log + ": larger than " + LOG_BYTES_MAX + " bytes, the guest repeats something");
        }
        return Files.readString(log, StandardCharsets.ISO_8859_1);
    }
}
