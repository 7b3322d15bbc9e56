package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The dashboard for Grafana asks for nothing that the daemon does not measure.
class DashboardTest {
    private static final Pattern METRIC = Pattern.compile("dormouse_[a-z0-9_]+");

    @TempDir
    Path folder;

    @Test
    void asksForMetricsThatThereAre() throws Exception {
        String dashboard = Files.readString(Path.of("packaging/grafana/dormouse.json"));
        var asked = new TreeSet<String>();
        Matcher matcher = METRIC.matcher(dashboard);
        while (matcher.find()) {
            asked.add(matcher.group().replaceAll("_(bucket|sum|total)$", ""));
        }

        assertThat(Json.parseObject(dashboard)).containsEntry("title", "Dormouse");
        assertThat(asked).isNotEmpty();
        assertThat(new Metrics(new Engine(Home.at(folder, null)), new Activity()).names())
                .containsAll(asked);
    }
}
