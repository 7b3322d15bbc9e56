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
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/// The log of the daemon: standard output, one line for each entry. Under systemd each line begins with its priority
/// and leaves the time to the journal. Logback finds this class by `META-INF/services`, which saves it a search for
/// files.
public final class DaemonLog extends ContextAwareBase implements Configurator {
    @Override
    public ExecutionStatus configure(LoggerContext context) {
        var lines = new Lines(System.getenv("JOURNAL_STREAM") != null);
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

    /// One entry on one line, a stack trace included.
    static final class Lines extends LayoutBase<ILoggingEvent> {
        private final boolean journal;

        Lines(boolean journal) {
            this.journal = journal;
        }

        @Override
        public String doLayout(ILoggingEvent event) {
            IThrowableProxy failure = event.getThrowableProxy();
            String trace = failure == null ? "" : " | " + ThrowableProxyUtil.asString(failure);
            String text = (event.getFormattedMessage() + trace).strip().replaceAll("\\s*\\R\\s*", " | ");
            String prefix = journal
                    ? "<" + priority(event.getLevel()) + ">"
                    : Instant.ofEpochMilli(event.getTimeStamp()).truncatedTo(ChronoUnit.MILLIS) + " " + event.getLevel()
                            + " ";
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
