package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventLogTest {
    @TempDir
    private Path folder;

    @Test
    void hasItsEventsReadWhileItWrites() throws Exception {
        Path file = folder.resolve("events");
        try (EventTail tail = EventTail.create(file);
                EventLog log = new EventLog(file)) {
            assertThat(tail.poll()).isEmpty();
            log.step("one");
            assertThat(tail.poll()).containsExactly(Map.of("event", "step", "step", "one"));
            log.failed("vm web: gone\nfor good", 3);
            assertThat(tail.poll())
                    .containsExactly(Map.of("event", "failed", "error", "vm web: gone\nfor good", "exitCode", 3L));
        }
        assertThat(file).doesNotExist();
    }

    @Test
    void goesOnWhenItsReaderHasRemovedTheFile() throws Exception {
        Path file = folder.resolve("events");
        try (EventTail _ = EventTail.create(file);
                EventLog log = new EventLog(file)) {
            Files.delete(file);
            log.running();
        }
        assertThat(file).doesNotExist();
    }

    @Test
    void waitsForTheRestOfALine() throws Exception {
        Path file = folder.resolve("events");
        try (EventTail tail = EventTail.create(file)) {
            Files.writeString(file, "{\"event\":", StandardOpenOption.APPEND);
            assertThat(tail.poll()).isEmpty();
            Files.writeString(file, "\"running\"}\n{\"ev", StandardOpenOption.APPEND);
            assertThat(tail.poll()).isEqualTo(List.of(Map.of("event", "running")));
        }
    }
}
