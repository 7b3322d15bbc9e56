package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.UsageException;
import dev.dormouse.engine.VmException;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class FailuresTest {
    @Test
    void namesTheFileAndTheFault() {
        assertThat(Failures.message(new NoSuchFileException("/x"))).isEqualTo("/x: not found");
        assertThat(Failures.message(new AccessDeniedException("/x"))).isEqualTo("/x: permission denied");
        assertThat(Failures.message(new DirectoryNotEmptyException("/x"))).isEqualTo("/x: the folder is not empty");
        assertThat(Failures.message(new FileSystemException("/x"))).isEqualTo("/x: cannot be read or written");
        assertThat(Failures.message(new ClosedChannelException())).isEqualTo("input or output failed");
        assertThat(Failures.message(new FileSystemException("/x", null, "No space left on device")))
                .isEqualTo("/x: No space left on device");
    }

    @Test
    void staysOnOneLine() {
        assertThat(Failures.message(new IOException("one\n  two\r\n"))).isEqualTo("one two");
    }

    @Test
    void callsABugABug() {
        assertThat(Failures.message(new IllegalStateException("oh")))
                .isEqualTo("internal error: java.lang.IllegalStateException: oh; "
                        + "DORMOUSE_DEBUG=1 shows where, please report it");
        assertThat(Failures.exitCode(new IllegalStateException("oh"))).isEqualTo(1);
    }

    @Test
    void takesTheExitCodeOfAnotherProcess() {
        assertThat(Failures.exitCode(new Failures.Reported("x", 3))).isEqualTo(3);
        assertThat(Failures.exitCode(new IOException("wrapped", new Failures.Reported("x", 4))))
                .isEqualTo(4);
    }

    @Test
    void blamesTheCallerForArguments() {
        assertThat(Failures.exitCode(new IllegalArgumentException("x"))).isEqualTo(2);
        assertThat(Failures.exitCode(new UsageException("x"))).isEqualTo(2);
        assertThat(Failures.exitCode(new VmException("x", new UsageException("y"))))
                .isEqualTo(1);
    }
}
