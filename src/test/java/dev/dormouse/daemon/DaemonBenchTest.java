package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// That it runs and what its samples say, not how fast that was.
@Tag("qemu")
class DaemonBenchTest {
    @TempDir
    Path folder;

    @Test
    void aRoundOfWakesLeavesSamplesThatSayWhatTheyWereMadeOf() throws Exception {
        Path file = folder.resolve("samples.jsonl");

        DaemonBench.measure(folder, ProgramInTest.command("serve"), 1, file, true);

        List<String> lines = Files.readAllLines(file);
        assertThat(lines).hasSize(2); // The first one warms up.
        for (String line : lines) {
            Map<String, Object> sample = Json.parseObject(line);
            assertThat(sample)
                    .containsEntry("kind", "wake")
                    .containsKeys("revision", "dirty", "host", "processor", "kernel", "java", "qemuVersion")
                    .containsKeys("round", "firstResponseMillis", "guestRunsMillis");
            assertThat((Double) sample.get("firstBytesMillis")).isPositive();
            assertThat((Double) sample.get("screenMillis"))
                    .isGreaterThanOrEqualTo((Double) sample.get("firstBytesMillis"));
        }
    }
}
