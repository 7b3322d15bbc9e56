package dev.dormouse.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "image",
        description = "Looks at checkpoint images, checks, exports, imports and removes them.",
        synopsisSubcommandLabel = "COMMAND",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse image list", "  dormouse image verify web-20260101-120000"},
        subcommands = {
            ImageListCommand.class,
            ImageInspectCommand.class,
            ImageVerifyCommand.class,
            ImageExportCommand.class,
            ImageImportCommand.class,
            ImageRemoveCommand.class
        })
final class ImageGroup implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given");
    }
}
