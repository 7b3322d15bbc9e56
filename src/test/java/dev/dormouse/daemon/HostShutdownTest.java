package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HostShutdownTest {
    @Test
    void asksTheManagerThatHasStartedTheDaemonAndThatOfTheHost() {
        List<String> ofHost = List.of("systemctl", "is-system-running");
        assertThat(HostShutdown.questions(Map.of())).containsExactly(ofHost);
        assertThat(HostShutdown.questions(Map.of("MANAGERPID", "7")))
                .containsExactly(List.of("systemctl", "--user", "is-system-running"), ofHost);
    }
}
