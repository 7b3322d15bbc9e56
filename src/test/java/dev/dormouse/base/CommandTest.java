package dev.dormouse.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class CommandTest {
    private static final Duration BOUND = Duration.ofSeconds(20);

    /// The reader of the output and the end of the program race: 1 of 50 runs once lost everything.
    @RepeatedTest(200)
    void keepsAllThatAShortProgramPrints() throws IOException {
        assertThat(Command.run(List.of("printf", "%s", "hello"), BOUND)).isEqualTo("hello");
    }

    @Test
    void saysHowAProgramFailed() {
        assertThatThrownBy(() -> Command.run(List.of("sh", "-c", "echo no >&2; exit 3"), BOUND))
                .isInstanceOf(Command.CommandException.class)
                .hasMessage("sh -c echo no >&2; exit 3: exit code 3: no");
    }

    @Test
    void endsAProgramThatTakesTooLong() {
        assertThatThrownBy(() -> Command.run(List.of("sleep", "60"), Duration.ofMillis(50)))
                .hasMessage("sleep 60: still running after 50 ms, ended");
    }
}
