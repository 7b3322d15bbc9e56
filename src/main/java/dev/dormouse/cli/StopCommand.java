package dev.dormouse.cli;

import java.io.IOException;
import java.time.Duration;
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
        var cancellation = main().interruption().arm();
        return print(show(bar -> {
            bar.step(force ? "ending QEMU" : "waiting for the guest to shut down");
            return engine().stop(
                            name, force, Duration.ofSeconds(timeoutSeconds), new ProgressListener(bar), cancellation);
        }));
    }
}
