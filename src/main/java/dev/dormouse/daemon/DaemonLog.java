package dev.dormouse.daemon;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.IThrowableProxy;
import ch.qos.logback.classic.spi.ThrowableProxyUtil;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.LayoutBase;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import ch.qos.logback.core.spi.ContextAwareBase;
import dev.dormouse.base.Json;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/// The log of the daemon: standard output, one line for each entry. Under systemd each line begins with its priority
/// and leaves the time to the journal; with `DORMOUSE_LOG=json` it is a JSON object, for whoever collects logs. Logback
/// finds this class by `META-INF/services`, which saves it a search for
/// files.
public final class DaemonLog extends ContextAwareBase implements Configurator {
    @Override
    public ExecutionStatus configure(LoggerContext context) {
        var lines = new Lines(Form.of(System.getenv()));
        lines.setContext(context);
        lines.start();
        var encoder = new LayoutWrappingEncoder<ILoggingEvent>();
        encoder.setContext(context);
        encoder.setLayout(lines);
        encoder.start();
        var console = new ConsoleAppender<ILoggingEvent>();
        console.setContext(context);
        console.setEncoder(encoder);
        console.start();
        var root = context.getLogger("ROOT");
        root.setLevel(Level.WARN);
        root.addAppender(console);
        context.getLogger("dev.dormouse").setLevel(Level.INFO);
        return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
    }

    /// What a line looks like.
    enum Form {
        TEXT,
        JOURNAL,
        JSON;

        static Form of(Map<String, String> environment) {
            if ("json".equals(environment.get("DORMOUSE_LOG"))) {
                return JSON;
            }
            return environment.containsKey("JOURNAL_STREAM") ? JOURNAL : TEXT;
        }
    }

    /// One entry on one line, a stack trace included.
    static final class Lines extends LayoutBase<ILoggingEvent> {
        private final Form form;

        Lines(Form form) {
            this.form = form;
        }

        @Override
        public String doLayout(ILoggingEvent event) {
            return form == Form.JSON ? json(event) : text(event);
        }

        /// The thread says which VM is worked on, and what is done with it: `resume web`.
        private static String json(ILoggingEvent event) {
            IThrowableProxy failure = event.getThrowableProxy();
            var entry = new LinkedHashMap<String, Object>();
            entry.put("time", time(event));
            entry.put("level", event.getLevel().toString());
            entry.put("logger", event.getLoggerName());
            entry.put("thread", event.getThreadName());
            entry.put("message", event.getFormattedMessage());
            if (failure != null) {
                entry.put("trace", ThrowableProxyUtil.asString(failure));
            }
            return Json.write(entry) + "\n";
        }

        private static String time(ILoggingEvent event) {
            return Instant.ofEpochMilli(event.getTimeStamp())
                    .truncatedTo(ChronoUnit.MILLIS)
                    .toString();
        }

        private String text(ILoggingEvent event) {
            IThrowableProxy failure = event.getThrowableProxy();
            String trace = failure == null ? "" : " | " + ThrowableProxyUtil.asString(failure);
            String text = (event.getFormattedMessage() + trace).strip().replaceAll("\\s*\\R\\s*", " | ");
            String prefix = form == Form.JOURNAL
                    ? "<" + priority(event.getLevel()) + ">"
                    : time(event) + " " + event.getLevel() + " ";
            return prefix + text + "\n";
        }

        /// {@return the priority in the sense of sd-daemon(3)}
        private static int priority(Level level) {
            return switch (level.toInt()) {
                case Level.ERROR_INT -> 3;
                case Level.WARN_INT -> 4;
                case Level.INFO_INT -> 6;
                default -> 7;
            };
        }
    }
}
