package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DaemonProcessTest {
    @TempDir
    Path folder;

    @Test
    void aDaemonThatWorksInAnotherFolderServesTheSameHome() throws IOException {
        String relative = Path.of("").toAbsolutePath().relativize(folder).toString();
        var environment = new HashMap<>(Map.of("DORMOUSE_HOME", relative, "XDG_RUNTIME_DIR", relative));
        Home home = Home.fromEnvironment(environment);

        DaemonProcess.makeAbsolute(home, environment);

        assertThat(environment)
                .containsEntry("DORMOUSE_HOME", folder.toString())
                .containsEntry("XDG_RUNTIME_DIR", folder.toString());
        assertThat(Home.fromEnvironment(environment)).isEqualTo(home);
    }
}
