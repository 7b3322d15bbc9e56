package dev.dormouse.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// What the tests break on purpose, and what became of it: a line for each fault in `target/faults.tsv`, of
/// which `scripts/TestSummary.java` makes the table that closes a run.
public final class FaultReport {
    private FaultReport() {}

    /// What a guest or a test compares with what must be there.
    @FunctionalInterface
    public interface Verification {
        /// {@return the bytes that were compared}
        long run() throws Exception;
    }

    /// A fault that is about to happen.
    ///
    /// @param kind what breaks, such as `page server killed`
    /// @param step when, such as `LAUNCHED`
    public static Fault inject(String kind, String step) {
        return new Fault(kind, step);
    }

    /// One fault; its line is written when it is closed. It counts as survived when everything was verified.
    public static final class Fault implements AutoCloseable {
        private final String kind;
        private final String step;
        private boolean survived;
        private boolean wrong;
        private long verifiedBytes;

        private Fault(String kind, String step) {
            this.kind = kind;
            this.step = step;
        }

        /// Compares what the fault must have left alone; what fails here counts as wrong data.
        public void verify(Verification verification) throws Exception {
            wrong = true;
            verifiedBytes += verification.run();
            wrong = false;
            survived = true;
        }

        @Override
        public void close() throws IOException {
            Path root = Path.of(System.getProperty("dormouse.root", "."));
            Path file = Files.createDirectories(root.resolve("target")).resolve("faults.tsv");
            String line = String.join(
                    "\t", kind, step, survived ? "1" : "0", Long.toString(verifiedBytes), wrong ? "1" : "0");
            Files.writeString(file, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }
}
