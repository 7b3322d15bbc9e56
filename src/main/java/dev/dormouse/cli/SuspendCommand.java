package dev.dormouse.cli;

import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
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
        var cancellation = main().interruption().arm();
        SuspendResult result =
                show(bar -> engine().suspend(name, options.options(), new ProgressListener(bar), cancellation));
        return print(result, Texts.suspended("suspended to", result));
    }
}
