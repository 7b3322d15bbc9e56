package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HostForwardTest {
    @ParameterizedTest
    @ValueSource(strings = {"tcp:127.0.0.1:2222-:22", "udp:127.0.0.1:5353-10.0.2.15:53", "tcp::8080-:80"})
    void movesToAPortThatIsFree(String forward) throws Exception {
        String moved = HostForward.onFreePort(forward);

        String port = "(?<=:)\\d+(?=-)";
        assertThat(moved).isNotEqualTo(forward);
        assertThat(moved.replaceFirst(port, "N")).isEqualTo(forward.replaceFirst(port, "N"));
    }

    @Test
    void leavesWhatItDoesNotKnowAlone() throws Exception {
        assertThat(HostForward.onFreePort("unix:/run/socket")).isEqualTo("unix:/run/socket");
    }
}
