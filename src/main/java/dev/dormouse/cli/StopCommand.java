package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "stop",
        description = "Asks the guest to shut down, and waits until it has.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse stop web", "  dormouse stop --timeout 180 web", "  dormouse stop --force web"})
final class StopCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Option(names = "--force", description = "Ends QEMU at once, as if the power failed.")
    private boolean force;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            defaultValue = "60",
            description = "How long the guest may take (default: ${DEFAULT-VALUE}).")
    private long timeoutSeconds;

    @Override
    int run() throws IOException {
        if (timeoutSeconds < 1 || timeoutSeconds > 86_400) {
            throw new IllegalArgumentException(
                    "--timeout is %d, 1 to 86400 seconds are allowed".formatted(timeoutSeconds));
        }
        return print(show(this::stop));
    }

    private VmStatus stop(ProgressBar bar) throws IOException {
        bar.step(force ? "ending QEMU" : "waiting for the guest to shut down");
        String body = Json.write(Map.of("force", force, "timeoutSeconds", timeoutSeconds));
        if (DaemonRun.stop(main(), name, body, bar)) {
            return main().lookingEngine().status(name);
        }
        var cancellation = main().interruption().arm();
        return engine().stop(name, force, Duration.ofSeconds(timeoutSeconds), new ProgressListener(bar), cancellation);
    }
}
