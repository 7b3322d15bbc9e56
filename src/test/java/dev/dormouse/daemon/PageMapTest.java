package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The stream of a restore's pages.
@Tag("qemu")
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class PageMapTest {
    private static final Duration LONG = Duration.ofMinutes(1);

    @TempDir
    Path folder;

    @Test
    void whoWatchesARestoreThatIsQuietIsToldThatTheDaemonIsThere() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(GuestVm.request(GuestImage.locate(), "web", "256M"));
            fixture.run("start", "web");
            try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
                probe.fill("pattern", 7, 64, 50, LONG);
            }
            fixture.run("suspend", "web");
            fixture.send("POST", "/v1/vms/web/resume?wait=60", "{\"backgroundBytesPerSecond\": 0}");
            String qemu = String.valueOf(fixture.ok(200, "GET", "/v1/vms/web").get("pid"));
            signal("STOP", qemu); // So the guest wants nothing.

            var seen = new ArrayList<String>();
            try (var stream = fixture.client().open("GET", "/v1/vms/web/pages", null);
                    var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    seen.add(line.replaceFirst("^data: .*", ""));
                    if (line.equals(":")) {
                        break;
                    }
                }
            } finally {
                signal("CONT", qemu);
            }
            seen.removeIf(String::isEmpty);
            assertThat(seen).startsWith("event: map").endsWith(":").doesNotContain("event: end");
        }
    }

    private static void signal(String name, String process) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder(List.of("kill", "-" + name, process))
                        .inheritIO()
                        .start()
                        .waitFor())
                .isZero();
    }
}
