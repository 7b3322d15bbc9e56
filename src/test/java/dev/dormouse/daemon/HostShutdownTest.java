package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class HostShutdownTest {
    @Test
    void asksTheManagerThatHasStartedTheDaemon() {
        assertThat(HostShutdown.question(Map.of())).containsExactly("systemctl", "is-system-running");
        assertThat(HostShutdown.question(Map.of("MANAGERPID", "7")))
                .containsExactly("systemctl", "--user", "is-system-running");
    }
}
