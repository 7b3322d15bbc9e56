package dev.dormouse.cli;

import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "rm",
        description = "Removes an image that no VM needs.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse image rm web-20260101-120000")
final class ImageRemoveCommand extends FactsCommand {
    @Parameters(paramLabel = "IMAGE", description = "Id of an image.")
    private String image;

    @Override
    int run() throws IOException {
        main().lookingEngine().images().remove(image);
        return print(Map.of("removed", image), "image %s: removed".formatted(image));
    }
}
