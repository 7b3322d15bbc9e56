package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class EventLogTest {
    private final EventLog log = new EventLog();

    @Test
    void findsWhatArrivedSinceTheMarkOnly() throws InterruptedException {
        add("A");
        long mark = log.mark();
        add("B");

        assertThat(log.await(mark, event -> event.name().equals("A"), 0)).isEmpty();
        assertThat(log.await(mark, _ -> true, 0).orElseThrow().name()).isEqualTo("B");
    }

    @Test
    void forgetsTheOldestBeyondItsHistory() throws InterruptedException {
        add("OLD");
        for (int i = 0; i < EventLog.HISTORY_MAX; i++) add("NEW");

        assertThat(log.await(0, event -> event.name().equals("OLD"), 0)).isEmpty();
        assertThat(log.mark()).isEqualTo(EventLog.HISTORY_MAX + 1L);
    }

    @Test
    void endsAWaitWhenItIsClosed() throws InterruptedException {
        Thread.ofVirtual().start(log::close);

        assertThat(log.await(0, _ -> true, Long.MAX_VALUE)).isEmpty();
    }

    private void add(String name) {
        log.add(new QmpEvent(name, Map.of(), 0));
    }
}
