package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.LIST;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
@Timeout(120)
class QmpClientQemuTest {
    @TempDir
    Path directory;

    private LiveQemu qemu;

    @BeforeEach
    void startQemu() throws IOException {
        qemu = LiveQemu.start(directory, "-machine", "none");
    }

    @AfterEach
    void stopQemu() throws IOException {
        qemu.close();
    }

    @Test
    void executesCommandsAndReadsTheirReplies() throws IOException {
        QemuVersion asked = QemuVersion.ofReply(qemu.qmp.execute("query-version"));

        assertThat(asked).isEqualTo(QemuBinary.locate(null).version());
        assertThat(qemu.qmp.execute("query-status")).containsEntry("running", false);
        assertThat(qemu.qmp.executeForAny("query-chardev")).asInstanceOf(LIST).isNotEmpty();
    }

    @Test
    void reportsAnErrorWithItsClassAndCommand() {
        assertThatThrownBy(() -> qemu.qmp.execute("make-tea", Map.of("sugar", 2)))
                .isInstanceOfSatisfying(
                        QmpException.class, e -> assertThat(e.errorClass()).isEqualTo("CommandNotFound"))
                .hasMessage("QMP command 'make-tea': QEMU refused it: The command make-tea has not been found"
                        + " (CommandNotFound)");
    }

    @Test
    void executesOutOfBand() throws IOException {
        assertThat(qemu.qmp.hasOutOfBand()).isTrue();
        assertThat(qemu.qmp.executeOutOfBandForAny("query-yank", Map.of(), LiveQemu.BOUND))
                .isInstanceOf(List.class);
        assertThatThrownBy(() -> qemu.qmp.executeOutOfBand("query-status", Map.of(), LiveQemu.BOUND))
                .isInstanceOf(QmpException.class)
                .hasMessageContaining("query-status");
    }

    @Test
    void seesEventsSinceTheMarkAndTellsListeners() throws Exception {
        BlockingQueue<QmpEvent> heard = new LinkedBlockingQueue<>();
        qemu.qmp.addListener(heard::add);
        long mark = qemu.qmp.eventMark();

        qemu.qmp.execute("cont");
        qemu.qmp.execute("stop");

        QmpEvent resume = qemu.qmp.awaitEvent(mark, "RESUME", LiveQemu.BOUND);
        QmpEvent stop = qemu.qmp.awaitEvent(mark, "STOP", LiveQemu.BOUND);
        assertThat(stop.arrivalNanos()).isGreaterThanOrEqualTo(resume.arrivalNanos());
        assertThat(heard.poll(10, TimeUnit.SECONDS)).isEqualTo(resume);
        assertThatThrownBy(() -> qemu.qmp.awaitEvent(_ -> true, Duration.ofMillis(20)))
                .isInstanceOf(QmpTimeoutException.class);
    }

    @Test
    void anInterruptedCallerLeavesTheConnectionAlone() throws IOException {
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> qemu.qmp.execute("query-status")).isInstanceOf(InterruptedIOException.class);
        assertThat(Thread.interrupted()).isTrue();

        assertThat(qemu.qmp.execute("query-status")).containsEntry("running", false);
    }

    @Test
    void saysThatTheConnectionIsLostWhenQemuIsKilled() throws IOException {
        qemu.process.kill();

        assertThatThrownBy(() -> qemu.qmp.awaitEvent(_ -> false, LiveQemu.BOUND))
                .isInstanceOf(QmpConnectionException.class);
        assertThatThrownBy(() -> qemu.qmp.execute("query-status")).isInstanceOf(QmpConnectionException.class);
    }

    @Test
    void aSecondClientIsToldThatTheMonitorIsTaken() {
        assertThatThrownBy(() -> QmpClient.connect(qemu.qmp.socket(), Duration.ofMillis(200)))
                .isInstanceOf(QmpTimeoutException.class)
                .hasMessageEndingWith("is another one connected?");
    }
}
