package dev.dormouse.disk;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Keeps the first words of what a program complains about, and takes the rest off its hands so that it
/// never waits for us. A thread of its own until the program ends.
final class Complaints {
    private static final int BYTES_MAX = 4096;
    private static final long WAIT_MILLIS = 2000;
    private final CompletableFuture<String> text = new CompletableFuture<>();

    private Complaints() {}

    static Complaints of(InputStream in) {
        var complaints = new Complaints();
        Thread.ofVirtual().start(() -> complaints.drain(in));
        return complaints;
    }

    private void drain(InputStream in) {
        String kept = "";
        try (in) {
            kept = new String(in.readNBytes(BYTES_MAX), StandardCharsets.UTF_8);
            in.transferTo(java.io.OutputStream.nullOutputStream());
        } catch (IOException _) {
            // The program is gone: what was read is all there is.
        }
        text.complete(kept);
    }

    /// {@return what the program said, on one line; waits a moment for its end}
    String text() {
        try {
            return text.get(WAIT_MILLIS, TimeUnit.MILLISECONDS).strip().replace("\n", "; ");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException _) {
            // It says nothing.
        }
        return "(no message)";
    }
}
