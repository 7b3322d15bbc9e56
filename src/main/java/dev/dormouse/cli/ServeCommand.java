package dev.dormouse.cli;

import dev.dormouse.daemon.Daemon;
import dev.dormouse.daemon.DaemonOptions;
import dev.dormouse.daemon.DaemonProcess;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.MemorySize;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "serve",
        description = {
            "Runs the daemon of this home in the foreground, until a signal ends it; VMs run on then.",
            "It serves the REST API at a unix socket of the home. Its log goes to standard output.",
            "The commands that need a daemon start one in the background, whose log is daemon.log in the home; that "
                    + "one makes room for this one."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse serve",
            "  dormouse serve --listen 127.0.0.1:8006",
            "  dormouse serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem",
            "  dormouse serve --end"
        })
final class ServeCommand implements Callable<Integer> {
    /// Longer than it may take by itself.
    private static final Duration END_PATIENCE = Duration.ofSeconds(90);

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            description =
                    "Serves the API at this address, too, for those who have a token; without TLS a loopback address.")
    private @Nullable String listen;

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description =
                    "The certificate for --listen, in PEM, those of its issuers behind it. A new one counts at once.")
    private @Nullable Path tlsCertificate;

    @Option(names = "--tls-key", paramLabel = "FILE", description = "Its key, in PEM (PKCS #8, not encrypted).")
    private @Nullable Path tlsKey;

    @Option(
            names = "--rate-limit",
            paramLabel = "COUNT",
            defaultValue = "" + DaemonOptions.REQUESTS_PER_SECOND,
            description = "How many requests a second each token may send (default: ${DEFAULT-VALUE}).")
    private int rateLimit;

    @Option(
            names = "--memory-limit",
            paramLabel = "SIZE",
            description =
                    "How much memory the VMs that are awake may have together, as in 16G. To wake another one, the one "
                            + "is suspended that was used least recently and has no client.")
    private @Nullable String memoryLimit;

    @Option(
            names = "--restores-max",
            paramLabel = "COUNT",
            description = "How many restores may be under way at once; others wait for their turn (default: no limit).")
    private @Nullable Integer restoresMax;

    @Option(
            names = "--restores-rate",
            paramLabel = "SIZE",
            description =
                    "How much memory all restores together load in the background each second, as in 200M (default: no "
                            + "limit). What guests wait for is not held back.")
    private @Nullable String restoresRate;

    @Option(
            names = "--on-shutdown",
            paramLabel = "leave|suspend",
            defaultValue = "leave",
            description =
                    "What becomes of VMs that are awake when systemd ends the host, or the session of a user who does "
                            + "not linger: leave them to their fate, or suspend them and resume them when the daemon is "
                            + "back (default: ${DEFAULT-VALUE}). When only the daemon ends they run on.")
    private AtShutdown onShutdown;

    @Option(
            names = "--yield",
            description =
                    "Ends as soon as somebody runs 'dormouse serve' for this home without --yield. So commands start "
                            + "the daemon that they need: a person, or systemd, need not look for it first.")
    private boolean yield;

    @Option(
            names = "--end",
            description = "Ends the daemon that runs, and returns when it has ended. systemd would start it again.")
    private boolean end;

    /// What becomes of VMs when the host ends.
    private enum AtShutdown {
        LEAVE,
        SUSPEND;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Main main = (Main) spec.root().userObject();
        if (end) {
            return end(main.home());
        }
        if (restoresMax != null && restoresMax < 1) {
            throw new IllegalArgumentException("--restores-max is %d, 1 or more are allowed".formatted(restoresMax));
        }
        if (rateLimit < 1) {
            throw new IllegalArgumentException("--rate-limit is %d, 1 or more are allowed".formatted(rateLimit));
        }
        var options = new DaemonOptions(
                main.qemu(),
                listen == null ? null : DaemonOptions.parseListen(listen, tlsKey != null),
                tls(),
                rateLimit,
                limit("--memory-limit", memoryLimit),
                restoresMax == null ? 0 : restoresMax,
                limit("--restores-rate", restoresRate),
                onShutdown == AtShutdown.SUSPEND,
                yield);
        Daemon daemon = Daemon.start(main.home(), options);
        Runtime.getRuntime().addShutdownHook(new Thread(daemon::close, "end"));
        new CountDownLatch(1).await(); // Until a signal runs the hook.
        return 0;
    }

    /// {@return the size; 0 for no limit if the option was not given}
    private static long limit(String option, @Nullable String text) {
        if (text == null) {
            return 0;
        }
        long bytes = MemorySize.parse(option, text);
        if (bytes == 0) {
            throw new IllegalArgumentException(
                    "%s is '%s', more than 0 is allowed; without the option there is no limit".formatted(option, text));
        }
        return bytes;
    }

    private static int end(Home home) throws IOException {
        if (!DaemonProcess.end(home, END_PATIENCE)) {
            throw new Failures.Reported("home %s: has no daemon".formatted(home.root()), Failures.FAILED);
        }
        return 0;
    }

    private DaemonOptions.@Nullable TlsFiles tls() {
        if (tlsCertificate == null && tlsKey == null) {
            return null;
        }
        if (tlsCertificate == null || tlsKey == null || listen == null) {
            throw new IllegalArgumentException("--tls-cert and --tls-key: need each other, and --listen");
        }
        return new DaemonOptions.TlsFiles(tlsCertificate, tlsKey);
    }
}
