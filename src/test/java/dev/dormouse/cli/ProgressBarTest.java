package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProgressBarTest {
    private static final long MIB = 1 << 20;

    private final AtomicLong millis = new AtomicLong();
    private final StringWriter screen = new StringWriter();

    private ProgressBar bar(boolean enabled) {
        return new ProgressBar(new PrintWriter(screen), enabled, () -> millis.get() * 1_000_000);
    }

    @Test
    void showsBytesRateAndTimeLeft() {
        assertThat(ProgressBar.line("capturing", 1024 * MIB, 4096 * MIB, 512.0 * MIB))
                .isEqualTo("capturing [####            ]  25%  1.0 GiB of 4.0 GiB, 512 MiB/s, 6 s left");
        assertThat(ProgressBar.line("x", 0, 3600 * MIB, MIB)).endsWith(", 1.0 MiB/s, 1 h 0 min left");
        assertThat(ProgressBar.line("x", 0, 100 * MIB, MIB)).endsWith(", 1 min 40 s left");
    }

    @Test
    void survivesTotalsThatAreZeroOrPassed() {
        assertThat(ProgressBar.line("x", 0, 0, 0)).contains("100%");
        assertThat(ProgressBar.line("x", 5, 4, 1)).contains("100%").doesNotContain("left");
    }

    @Test
    void staysSilentForASecond() {
        try (ProgressBar bar = bar(true)) {
            bar.update("capturing", 0, 100 * MIB);
            millis.set(999);
            bar.update("capturing", 50 * MIB, 100 * MIB);
        }

        assertThat(screen.toString()).isEmpty();
    }

    @Test
    void drawsTenTimesASecondAtMostAndWipesItself() {
        try (ProgressBar bar = bar(true)) {
            bar.update("capturing", 0, 100 * MIB);
            for (long now = 1000; now < 1200; now += 10) {
                millis.set(now);
                bar.update("capturing", 50 * MIB, 100 * MIB);
            }
        }

        assertThat(screen.toString().split("\r", -1)).hasSize(4);
        assertThat(screen.toString()).contains("50%", "50.0 MiB/s, 1 s left").endsWith("\r\033[K");
    }

    /// Who waits for a minute must not wait before an empty line.
    @Test
    void showsAfterASecondTheStepThatStillGoesOn() {
        try (ProgressBar bar = bar(true)) {
            bar.step("starting");
            bar.step("waiting");
            bar.showPending();
            assertThat(screen.toString()).isEmpty();
            millis.set(1000);
            bar.showPending();
            bar.showPending();
        }

        assertThat(screen.toString()).isEqualTo("\r\033[Kwaiting ...\r\033[K");
    }

    @Test
    void showsNothingWithoutATerminal() {
        try (ProgressBar bar = bar(false)) {
            millis.set(5000);
            bar.step("publishing");
            bar.update("capturing", 1, 2);
        }

        assertThat(screen.toString()).isEmpty();
    }

    @Test
    void takesOnlyATerminalForOne(@TempDir Path folder) throws Exception {
        Path pipe = Files.createSymbolicLink(folder.resolve("pipe"), Path.of("pipe:[123]"));
        Path terminal = Files.createSymbolicLink(folder.resolve("terminal"), Path.of("/dev/pts/3"));

        assertThat(ProgressBar.isTerminal(pipe)).isFalse();
        assertThat(ProgressBar.isTerminal(terminal)).isTrue();
        assertThat(ProgressBar.isTerminal(folder.resolve("closed"))).isFalse();
    }
}
