package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
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
    void isTheSameWhateverFolderAProgramWorksIn() throws IOException {
        Path here = Path.of("").toAbsolutePath();
        String relative = here.relativize(folder).toString();

        Home home = Home.fromEnvironment(Map.of("DORMOUSE_HOME", relative, "XDG_RUNTIME_DIR", relative));

        assertThat(home.root()).isEqualTo(folder);
        assertThat(home.runtime()).startsWith(folder.resolve("dormouse"));
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

    /// Anybody may make a folder there first.
    @Test
    void refusesAFolderOfSocketsThatSomebodyElseCanEnter() throws Exception {
        Path sockets = Files.createDirectories(folder.resolve("run/dormouse"));
        for (String rights : List.of("rwxr-xr-x", "rwx--x---")) {
            Files.setPosixFilePermissions(sockets, PosixFilePermissions.fromString(rights));

            assertThatThrownBy(this::home)
                    .hasMessage(
                            sockets
                                    + ": must be a folder of this user that nobody else can enter, remove it or set XDG_RUNTIME_DIR");
        }
    }

    @Test
    void refusesAFolderOfSocketsThatSomebodyElseMade() throws Exception {
        Path sockets = folder.resolve("run/dormouse");
        madeBySomebodyElse(sockets);

        assertThatThrownBy(this::home).hasMessageStartingWith(sockets + ": must be a folder of this user");
    }

    @Test
    void refusesALinkWhereItsFolderOfSocketsShouldBe() throws Exception {
        Path real = Files.createDirectories(folder.resolve("real"));
        Files.setPosixFilePermissions(real, PosixFilePermissions.fromString("rwx------"));
        Path sockets = Files.createDirectories(folder.resolve("run")).resolve("dormouse");
        Files.createSymbolicLink(sockets, real);

        assertThatThrownBy(this::home).hasMessageStartingWith(sockets + ": must be a folder of this user");
    }

    /// Both below folders that all users share, under the name of the user, here of one that is made up.
    @Test
    void refusesFoldersBelowTmpAndDevShmThatSomebodyElseMade() throws Exception {
        String user = System.getProperty("user.name");
        System.setProperty("user.name", "test-" + ProcessHandle.current().pid());
        Path sockets = Path.of("/tmp/dormouse-" + System.getProperty("user.name"));
        Path memory = SharedMemoryFolder.path();
        try {
            madeBySomebodyElse(sockets);
            madeBySomebodyElse(memory);

            assertThatThrownBy(() -> Home.at(folder.resolve("home"), null))
                    .hasMessageStartingWith(sockets + ": must be a folder of this user");
            assertThat(memory).hasParentRaw(Path.of("/dev/shm"));
            assertThatThrownBy(SharedMemoryFolder::own)
                    .hasMessage(memory + ": must be a folder of this user that nobody else can enter, remove it");
        } finally {
            System.setProperty("user.name", user);
            Removal.deleteFolder(Storage.fileSystem(), sockets);
            Removal.deleteFolder(Storage.fileSystem(), memory);
        }
    }

    private static void madeBySomebodyElse(Path made) throws IOException {
        Files.createDirectories(made);
        Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rwx------"));
        int somebodyElse = 65534;
        try {
            Files.setAttribute(made, "unix:uid", somebodyElse);
        } catch (FileSystemException e) {
            Assumptions.abort("only root can make a folder of somebody else: " + e.getMessage());
        }
    }

    private Home home() throws IOException {
        return Home.at(folder.resolve("home"), folder.resolve("run").toString());
    }
}
