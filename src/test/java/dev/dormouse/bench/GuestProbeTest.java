package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/// Every command once, against one guest: it takes seconds to boot, and the commands do not disturb each other.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class GuestProbeTest {
    private static final Duration SHORT = Duration.ofSeconds(10);
    private static final Duration LONG = Duration.ofMinutes(2);

    private ProbeGuest guest;
    private GuestProbe probe;

    @BeforeAll
    void boot(@TempDir Path directory) throws Exception {
        guest = ProbeGuest.boot(GuestImage.locate(), directory);
        probe = guest.connect();
        try {
            probe.ping("boot", LONG);
        } catch (IOException e) {
            throw new IOException("the guest did not come up: " + guest.logs(), e);
        }
    }

    @AfterAll
    void end() throws IOException {
        probe.close();
        guest.close();
    }

    @Test
    void tellsAboutItself() throws Exception {
        GuestProbe.GuestInfo info = probe.info(SHORT);

        assertThat(info.memoryBytes()).isBetween(400L << 20, 512L << 20);
        assertThat(info.availableBytes()).isBetween(100L << 20, info.memoryBytes());
        assertThat(info.cpus()).isEqualTo(1);
        assertThat(info.uptime()).isPositive();
    }

    @Test
    void verifiesTheMemoryThatItFilled() throws Exception {
        assertThat(probe.fill("a", -1, 32, 50, LONG)).isEqualTo(32L << 20);
        assertThat(probe.verify("a", LONG)).isEqualTo(32L << 20);
        probe.free("a", SHORT);

        assertThatThrownBy(() -> probe.verify("a", SHORT))
                .isInstanceOf(ProbeException.class)
                .hasMessage("guest: 'verify a' answered: error region 'a' does not exist");
    }

    @Test
    void refusesMoreMemoryThanThereIs() {
        assertThatThrownBy(() -> probe.fill("b", 1, 4096, 50, SHORT))
                .hasMessageMatching("guest: 'fill b 1 4096 50' answered: error memory: 4096 MiB asked for, "
                        + "\\d+ MiB available of which 24 MiB stay free");
    }

    @Test
    void readsEveryFileOfTheDisk() throws Exception {
        GuestProbe.FilesRead some = probe.readSome(1, LONG);
        GuestProbe.FilesRead all = probe.read(LONG);
        probe.dropCaches(SHORT);

        assertThat(some.files()).isPositive();
        assertThat(all.files()).isGreaterThan(900);
        assertThat(all.bytes()).isGreaterThan(390L << 20);
    }

    @Test
    void writesFilesAndTellsWhetherTheyAreTheSame() throws Exception {
        probe.write("one", 3, 100, SHORT);
        probe.sync(SHORT);
        probe.check("one", 3, 100, SHORT);

        assertThatThrownBy(() -> probe.check("one", 4, 100, SHORT))
                .hasMessage("guest: 'check one 4 100' answered: error file=one offset=0 "
                        + "is the start of a page that differs");
        assertThatThrownBy(() -> probe.check("../etc", 4, 100, SHORT))
                .hasMessage("guest: 'check ../etc 4 100' answered: error path '../etc' holds '..'");
    }

    @Test
    void touchesFreshMemory() throws Exception {
        GuestProbe.Touches fresh = probe.touch(32, LONG);

        assertThat(fresh.elapsed()).isPositive().isGreaterThan(fresh.pageMax());
        assertThat(fresh.touches().totalCount()).isEqualTo((32 << 20) / 4096);
    }

    @Test
    void touchesPagesOutsideOfItsWorkingSet() throws Exception {
        probe.fill("c", 1, 8, 50, LONG);

        GuestProbe.Touches sampled = probe.sample("c", 500, 7, Duration.ofNanos(10_000), LONG);

        probe.free("c", SHORT);
        assertThat(sampled.touches().totalCount()).isEqualTo(500);
        assertThat(sampled.elapsed()).isGreaterThan(Duration.ofMillis(5));
    }

    @Test
    void answersAPingWhileTheWorkLoopAndALongCommandRun() throws Exception {
        probe.work(16, LONG);
        long start = System.nanoTime();
        Thread reading = Thread.ofVirtual().start(() -> ignoreFailure(() -> probe.readSome(200, LONG)));

        probe.ping("n1", SHORT);

        assertThat(reading.isAlive()).isTrue();
        reading.join(LONG);
        assertThat(reading.isAlive()).isFalse();
        List<TimedReport> reports = probe.reportsSince(start);
        probe.work(0, SHORT);
        assertThat(reports).hasSizeGreaterThan(10);
        assertThat(reports).extracting(timed -> timed.report().iterations()).isSorted();
    }

    @Test
    void carriesOnWithANewClientInTheSameLifeOfTheProbe() throws Exception {
        probe.fill("kept", 5, 4, 100, LONG);
        probe.work(16, LONG);
        probe.close();
        LockSupport.parkNanos(100_000_000); // Reports have nowhere to go meanwhile.
        probe = guest.connect();
        long start = System.nanoTime();

        probe.ping("again", SHORT);
        probe.verify("kept", LONG);
        LockSupport.parkNanos(500_000_000);

        WorkRate rate = WorkRate.of(probe.reportsSince(start));
        assertThat(rate.baseline(1)).isPresent();
        probe.work(0, SHORT);
        probe.free("kept", SHORT);
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void turnsItselfOff() throws Exception {
        probe.powerOff(SHORT);

        assertThat(guest.exits(SHORT)).isTrue();
        assertThatThrownBy(() -> probe.ping("late", SHORT))
                .isInstanceOf(ProbeException.class)
                .hasMessage("guest: the probe is gone, connect to its QEMU again");
    }

    private interface Command {
        void run() throws IOException, InterruptedException;
    }

    private static void ignoreFailure(Command command) {
        try {
            command.run();
        } catch (IOException | InterruptedException _) {
            // The assertions behind it see what matters.
        }
    }
}
