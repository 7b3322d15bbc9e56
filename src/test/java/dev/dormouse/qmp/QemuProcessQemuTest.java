package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
@Timeout(120)
class QemuProcessQemuTest {
    @TempDir
    Path directory;

    @Test
    void runsInItsOwnSessionUnderItsOwnPid() throws IOException {
        try (LiveQemu qemu = LiveQemu.start(directory, "-machine", "none")) {
            long pid = qemu.process.pid();

            assertThat(ProcessEntry.of(pid).orElseThrow().sessionId()).isEqualTo(pid);
            assertThat(Files.readString(Path.of("/proc/" + pid + "/cmdline"))).contains("qemu-system-x86_64");
        }
    }

    @Test
    void goesBeforeItsStarterWhenTheHostRunsOutOfMemory() throws IOException {
        try (LiveQemu qemu = LiveQemu.start(directory, "-machine", "none")) {
            assertThat(outOfMemoryScore(Long.toString(qemu.process.pid())))
                    .isEqualTo(Math.min(1000, outOfMemoryScore("self") + 300));
        }
    }

    private static int outOfMemoryScore(String process) throws IOException {
        return Integer.parseInt(
                Files.readString(Path.of("/proc", process, "oom_score_adj")).strip());
    }

    @Test
    void isFoundAgainByPidAndStartTimeOnly() throws IOException {
        try (LiveQemu qemu = LiveQemu.start(directory, "-machine", "none")) {
            long pid = qemu.process.pid();
            long startTimeTicks = qemu.process.startTimeTicks();

            QemuProcess found = QemuProcess.attach(pid, startTimeTicks).orElseThrow();
            assertThat(QemuProcess.attach(pid, startTimeTicks + 1)).isEmpty();

            assertThat(found.terminate(LiveQemu.BOUND)).isTrue();
            assertThat(found.isAlive()).isFalse();
            assertThat(QemuProcess.attach(pid, startTimeTicks)).isEmpty();
        }
    }

    /// A killed QEMU is like that for a moment: its first thread is gone, another one still holds its files.
    @Test
    void isThereUntilItsLastThreadIsGone() throws Exception {
        Process process = new ProcessBuilder(programWhoseFirstThreadEnds().toString()).start();
        try {
            long pid = process.pid();
            while (ProcessEntry.of(pid).orElseThrow().state() != 'Z') {
                TimeUnit.MILLISECONDS.sleep(1);
            }
            ProcessEntry entry = ProcessEntry.of(pid).orElseThrow();
            assertThat(entry.threads()).isEqualTo(2);

            QemuProcess found = QemuProcess.attach(pid, entry.startTimeTicks()).orElseThrow();
            assertThat(found.awaitExit(Duration.ofMillis(50))).isFalse();
            found.kill();
            assertThat(found.isAlive()).isFalse();
        } finally {
            process.destroyForcibly();
        }
    }

    private Path programWhoseFirstThreadEnds() throws Exception {
        Path source = directory.resolve("threads.c");
        Files.writeString(source, """
                #include <pthread.h>
                #include <unistd.h>
                static void *wait(void *unused) { sleep(60); return unused; }
                int main(void) { pthread_t t; pthread_create(&t, 0, wait, 0); pthread_exit(0); }
                """);
        Path program = directory.resolve("threads");
        Process gcc = new ProcessBuilder("gcc", "-pthread", "-o", program.toString(), source.toString())
                .inheritIO()
                .start();
        assertThat(gcc.waitFor(30, TimeUnit.SECONDS) && gcc.exitValue() == 0).isTrue();
        return program;
    }

    @Test
    void reportsTheWordsWithWhichQemuRefusesAnOption() {
        assertThatThrownBy(() -> LiveQemu.start(directory, "-machine", "toaster"))
                .isInstanceOf(QemuException.class)
                .hasMessageContaining("it ended with status 1, its last words: ")
                .hasMessageContaining("unsupported machine type")
                .hasMessageContaining("qemu.log");
    }

    @Test
    void reportsAProgramThatIsNotThere() {
        var spec = new QemuProcess.Spec(List.of("/nowhere/qemu"), directory.resolve("log"));

        assertThatThrownBy(() -> QemuProcess.start(spec))
                .isInstanceOf(QemuException.class)
                .hasMessageContaining("/nowhere/qemu: No such file or directory");
    }

    @Test
    void showsOnlyTheLinesOfThisRun() throws IOException {
        Path log = directory.resolve("log");
        Files.writeString(log, "an older run\n");

        var process = QemuProcess.start(new QemuProcess.Spec(
                List.of("/bin/sh", "-c", "echo $WORD; echo two; echo three; exec sleep 60"),
                log,
                Map.of("WORD", "one"),
                Path.of("/dev/null")));
        try {
            awaitLines(process, 3);

            assertThat(process.logTail(9)).containsExactly("one", "two", "three");
            assertThat(process.logTail(2)).containsExactly("two", "three");
        } finally {
            process.kill();
        }
    }

    @Test
    void killsWhatDoesNotObeySigterm() throws IOException {
        var process = QemuProcess.start(new QemuProcess.Spec(
                List.of("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"),
                directory.resolve("log")));
        awaitLines(process, 1);

        assertThat(process.terminate(Duration.ofMillis(100))).isFalse();
        assertThat(process.isAlive()).isFalse();
    }

    @Test
    void outlivesTheProgramThatStartedIt() throws Exception {
        Path record = directory.resolve("record");
        Path socket = directory.resolve("q");
        Process starter = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Starter.class.getName(),
                        directory.toString())
                .inheritIO()
                .start();
        assertThat(starter.waitFor(60, TimeUnit.SECONDS)).isTrue();
        String[] identity = Files.readString(record).split(" ", -1);

        QemuProcess orphan = QemuProcess.attach(Long.parseLong(identity[0]), Long.parseLong(identity[1]))
                .orElseThrow();
        try (QmpClient qmp = QmpClient.connect(socket, LiveQemu.BOUND, orphan)) {
            assertThat(qmp.execute("query-status")).containsEntry("running", false);
        } finally {
            orphan.kill();
        }
    }

    private static void awaitLines(QemuProcess process, int count) throws IOException {
        while (process.logTail(count).size() < count) {
            assertThat(process.awaitExit(Duration.ofMillis(10))).isFalse();
        }
    }

    /// A program that starts QEMU and halts without any of its shutdown hooks.
    static final class Starter {
        private Starter() {}

        public static void main(String[] arguments) throws IOException {
            Path directory = Path.of(arguments[0]);
            QemuProcess process = QemuProcess.start(new QemuProcess.Spec(
                    LiveQemu.argv(directory.resolve("q"), List.of("-machine", "none")), directory.resolve("log")));
            Files.writeString(directory.resolve("record"), process.pid() + " " + process.startTimeTicks());
            Runtime.getRuntime().halt(0);
        }
    }
}
