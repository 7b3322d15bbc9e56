package dev.dormouse.cli;

import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "checkpoint",
        description = {
            "Puts the memory of a running VM into an image that is kept; the VM runs on.",
            "'dormouse restore' makes VMs of the image."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse checkpoint web", "  dormouse restore web-20260101-120000 --as web2"})
final class CheckpointCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Mixin
    private ImageFlags options;

    @Override
    int run() throws IOException {
        SuspendResult result = show(this::checkpoint);
        return print(result, Texts.suspended("runs on, checkpoint is", result));
    }

    private SuspendResult checkpoint(ProgressBar bar) throws IOException {
        Optional<SuspendResult> done = DaemonRun.capture(main(), "checkpoint", name, options, bar);
        if (done.isPresent()) {
            return done.get();
        }
        var cancellation = main().interruption().arm();
        return engine().checkpoint(name, options.options(), new ProgressListener(bar), cancellation);
    }
}
