package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EventsTest {
    private static final int WAITING_MAX = 1000;

    private final Events events = new Events();

    @Test
    void aWatcherWhoFallsTooFarBehindHasMissedSomethingAndHoldsUpNobody() throws Exception {
        try (var slow = events.subscribe(null, _ -> true);
                var other = events.subscribe(null, event -> "web".equals(event.vm()))) {
            publish(WAITING_MAX, "db");
            assertThat(slow.isTooSlow()).isFalse();

            publish(1, "web");

            assertThat(slow.isTooSlow()).isTrue();
            assertThat(other.isTooSlow()).isFalse();
            assertThat(other.poll(Duration.ZERO)).isNotNull();
        }
    }

    @Test
    void whoIsTooSlowForWhatHeDoesNotWantMissesNothing() {
        try (var picky = events.subscribe(null, event -> "web".equals(event.vm()))) {
            publish(2 * WAITING_MAX, "db");

            assertThat(picky.isTooSlow()).isFalse();
        }
    }

    @Test
    void whoHasEndedWatchingIsToldNothingMore() {
        var gone = events.subscribe(null, _ -> true);
        gone.close();

        publish(2 * WAITING_MAX, "db");

        assertThat(gone.isTooSlow()).isFalse();
    }

    private void publish(int count, String vm) {
        for (int i = 0; i < count; i++) {
            events.publish("vm", vm, null, Map.of("name", vm));
        }
    }
}
