package dev.dormouse.cli;

import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
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
        var cancellation = main().interruption().arm();
        SuspendResult result =
                show(bar -> engine().checkpoint(name, options.options(), new ProgressListener(bar), cancellation));
        return print(result, Texts.suspended("runs on, checkpoint is", result));
    }
}
