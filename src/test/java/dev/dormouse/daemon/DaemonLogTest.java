package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import dev.dormouse.base.Json;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DaemonLogTest {
    private static LoggingEvent event() {
        var logger = new LoggerContext().getLogger("dev.dormouse.daemon.Vms");
        Object[] arguments = {"web", new IllegalStateException("first\nsecond")};
        return new LoggingEvent("here", logger, Level.WARN, "vm {}: odd", null, arguments);
    }

    private static String line(Map<String, String> environment) {
        return new DaemonLog.Lines(DaemonLog.Form.of(environment)).doLayout(event());
    }

    @Test
    void anEntryIsOneLineForPeopleForTheJournalAndForPrograms() {
        assertThat(line(Map.of()))
                .contains(" WARN vm web: odd | java.lang.IllegalStateException: first | second")
                .hasLineCount(1);
        assertThat(line(Map.of("JOURNAL_STREAM", "8:1")))
                .startsWith("<4>vm web: odd")
                .hasLineCount(1);
        assertThat(Json.parseObject(line(Map.of("JOURNAL_STREAM", "8:1", "DORMOUSE_LOG", "json"))))
                .containsEntry("level", "WARN")
                .containsEntry("message", "vm web: odd")
                .containsEntry("thread", Thread.currentThread().getName())
                .containsKeys("time", "logger", "trace");
    }
}
