package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is in the log is only history: whatever is wrong with it, what can be understood is read, and what is done is
/// written down.
class CommandLogTest {
    private static final CommandDone FIRST = new CommandDone("2026-11-30T08:00:00Z", "suspend", null, null, false);
    private static final CommandDone SECOND = new CommandDone("2026-11-30T09:00:00Z", "resume", null, null, true);

    @TempDir
    Path folder;

    private CommandLog log;
    private Path file;

    @BeforeEach
    void begin() throws Exception {
        Home home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        Files.createDirectories(home.vm("web"));
        Files.writeString(home.vm("web").resolve("state.json"), "damaged");
        log = new CommandLog(Vm.open(home, "web"));
        file = home.vm("web").resolve(Home.COMMAND_LOG);
    }

    @Test
    void leavesOutLinesThatItDoesNotUnderstand() throws Exception {
        log.add(FIRST, OperationListener.NONE);
        String whole = Files.readString(file).strip();
        for (String bad : List.of(
                "null",
                "",
                "nothing",
                "{}",
                whole.replace("2026-11-30T", "2026-11-30 "),
                whole.replace("2026-11-30T08:00:00Z", "+999999999-12-31T00:00:00Z"),
                whole.replace("suspend", "dance"),
                "{\"time\": \"2026-11-30T08:00:00Z\", \"kind\": \"resume\", \"restored\": {}}")) {
            Files.writeString(file, bad + "\n" + whole + "\n");

            assertThat(log.read()).as(bad).containsExactly(FIRST);
        }
    }

    @Test
    void aByteThatIsNoTextCostsItsLineOnly() throws Exception {
        log.add(FIRST, OperationListener.NONE);
        byte[] text = ("?\n" + Files.readString(file)).getBytes(StandardCharsets.UTF_8);
        text[0] = (byte) 0xff;
        Files.write(file, text);

        log.add(SECOND, OperationListener.NONE);

        assertThat(log.read()).containsExactly(FIRST, SECOND);
    }

    @Test
    void beginsAnewIfItCannotBeRead() throws Exception {
        Files.createSymbolicLink(
                file, Path.of("/proc/self/mem")); // It has an error where it begins, as a bad disk has.
        assertThatThrownBy(log::read).isInstanceOf(IOException.class);

        log.add(SECOND, OperationListener.NONE);

        assertThat(log.read()).containsExactly(SECOND);
    }
}
