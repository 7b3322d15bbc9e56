package dev.dormouse.cli;

import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "suspend",
        description = {
            "Puts the memory of a running VM into an image and ends its QEMU.",
            "Until the image is complete any failure, Ctrl-C included, lets the VM run on."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse suspend web", "  dormouse suspend --json web"})
final class SuspendCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Mixin
    private ImageFlags options;

    @Override
    int run() throws IOException {
        SuspendResult result = show(this::suspend);
        return print(result, Texts.suspended("suspended to", result));
    }

    private SuspendResult suspend(ProgressBar bar) throws IOException {
        Optional<SuspendResult> done = DaemonRun.capture(main(), "suspend", name, options, bar);
        if (done.isPresent()) {
            return done.get();
        }
        var cancellation = main().interruption().arm();
        return engine().suspend(name, options.options(), new ProgressListener(bar), cancellation);
    }
}
