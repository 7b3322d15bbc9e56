package dev.dormouse.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class HostProcessorsTest {
    @Test
    void tellsHowManyProcessorsWereIdleAndStolen() throws Exception {
        var earlier = HostProcessors.of("cpu  100 0 100 1000 900 0 0 30 0 0", 0);
        var later = HostProcessors.of("cpu  150 0 150 1300 950 0 0 80 0 0", 2_000_000_000);

        assertThat(later.idleSince(earlier)).isEqualTo(1.5);
        assertThat(later.stolenSince(earlier)).isEqualTo(0.25);
    }

    @Test
    void readsThoseOfThisHost() throws Exception {
        HostProcessors earlier = HostProcessors.read();
        Thread.sleep(50);

        assertThat(HostProcessors.read().idleSince(earlier)).isNotNegative();
    }

    @Test
    void refusesWhatIsNoAccountOfProcessors() {
        assertThatThrownBy(() -> HostProcessors.of("intr 1 2 3 4 5 6 7 8", 0)).hasMessageContaining("'cpu' and eight");
        assertThatThrownBy(() -> HostProcessors.of("cpu 1 2 3 x 5 6 7 8", 0)).hasMessageContaining("'x'");
        assertThatThrownBy(() -> HostProcessors.of("", 0)).hasMessageContaining("/proc/stat");
    }
}
