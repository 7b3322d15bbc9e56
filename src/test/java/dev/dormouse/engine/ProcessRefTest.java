package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ProcessRefTest {
    private static final Path LOG = Path.of("qemu.log");

    @Test
    void findsAProcessThatLives() throws IOException {
        assertThat(ProcessRef.self().process(LOG)).isPresent();
    }

    /// After the host was started anew another process may have its number, and even have started at the same tick.
    @Test
    void takesNoProcessOfAnotherBootForItsOwn() throws IOException {
        ProcessRef self = ProcessRef.self();
        var before = new ProcessRef(self.pid(), self.startTime(), "7f7e2c3b-0000-4000-8000-000000000000");

        assertThat(before.process(LOG)).isEmpty();
        assertThat(new ProcessRef(self.pid(), self.startTime() + 1, self.bootId()).process(LOG))
                .isEmpty();
    }

    @Test
    void readsWhatEarlierBuildsRecorded() throws IOException {
        ProcessRef self = ProcessRef.self();
        String json = "{\"pid\":%d,\"startTime\":%d}".formatted(self.pid(), self.startTime());

        assertThat(Json.parse(ProcessRef.class, json).process(LOG)).isPresent();
    }
}
