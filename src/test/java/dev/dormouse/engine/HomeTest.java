package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HomeTest {
    @TempDir
    Path folder;

    /// Of two who create the same VM at the same time the second must not write over the first.
    @Test
    void givesTheFolderOfAVmToOneCreatorOnly() throws IOException {
        Home home = home();
        home.createVmFolder("web");

        assertThatThrownBy(() -> home.createVmFolder("web"))
                .hasMessage("vm web: is being created or removed just now, try again; if nothing does that, "
                        + home.vm("web") + " was left by one that was cut off, remove it");
    }

    @Test
    void isInTheFolderThatTheEnvironmentNamesAsTheUsersOwn() throws IOException {
        String user = folder.resolve("user").toString();

        Home home = Home.fromEnvironment(Map.of("HOME", user, "XDG_RUNTIME_DIR", folder.toString()));

        assertThat(home.vms()).isEqualTo(Path.of(user, ".local/share/dormouse/vms"));
    }

    @Test
    void refusesTheNameOfAVmThatExists() throws IOException {
        Home home = home();
        home.createVmFolder("web");
        Files.createFile(home.vm("web").resolve("state.json"));

        assertThatThrownBy(() -> home.createVmFolder("web"))
                .isInstanceOf(VmException.class)
                .hasMessage("vm web: exists already, choose another name or remove it with 'dormouse rm'");
    }

    private Home home() throws IOException {
        return Home.at(folder.resolve("home"), folder.resolve("run").toString());
    }
}
