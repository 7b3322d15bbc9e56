package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The benches of this package still run, on little data.
@Timeout(60)
class ServeBenchTest {
    private static final int FRAMES = 4096;

    @TempDir
    private Path folder;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    private List<Map<String, Object>> lines() {
        return bytes.toString(StandardCharsets.UTF_8)
                .lines()
                .map(Json::parseObject)
                .toList();
    }

    @Test
    void replaysATraceWithoutAndWithAWorkingSet() throws Exception {
        ServeBench.run(folder, DemandTrace.generate(1, FRAMES, 512, 2000), 0, out);

        assertThat(lines()).extracting(line -> line.get("workingSetKnown")).containsExactly(false, true);
        assertThat(lines()).allSatisfy(line -> {
            assertThat(line).containsEntry("touches", 2000L).containsEntry("nonZeroPages", FRAMES * 3 / 4L);
            assertThat((Double) line.get("gigabytesPerSecond")).isPositive();
        });
    }

    @Test
    void readsTheTraceThatItWrote() throws IOException {
        DemandTrace trace = DemandTrace.generate(2, FRAMES, 100, 300);
        Path file = folder.resolve("trace");

        trace.write(file);

        assertThat(DemandTrace.read(file)).isEqualTo(trace).isEqualTo(DemandTrace.generate(2, FRAMES, 100, 300));
    }

    @Test
    void refusesWhatIsNoTrace() throws IOException {
        Path file = folder.resolve("trace");

        Files.writeString(file, "dormouse-trace 1 10\n# why\n1 x\n");
        assertThatThrownBy(() -> DemandTrace.read(file))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("line 2 is not 'MICROS FRAME'");
        Files.writeString(file, "dormouse-trace 1 10\n1 10\n");
        assertThatThrownBy(() -> DemandTrace.read(file)).hasMessageContaining("frames from 0 to 9");
        Files.writeString(file, "nothing\n");
        assertThatThrownBy(() -> DemandTrace.read(file)).hasMessageContaining("it is no demand trace");
    }

    @Test
    void measuresABareLoopOfPlacing() throws Throwable {
        CopyLoop.run(8, out);

        assertThat(lines()).isNotEmpty().allSatisfy(line -> assertThat(line).containsEntry("bench", "copy-loop"));
    }
}
