package dev.dormouse.cli;

import dev.dormouse.engine.RemovalReport;
import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "rm",
        description = {
            "Removes a VM that does not run: its overlays and the memory that was saved.",
            "Disks that it was given stay, and so do checkpoints, unless --images is given."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse rm web", "  dormouse rm --force web", "  dormouse rm --images web"})
final class RemoveCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Option(names = "--force", description = "Removes a suspended, crashed or damaged VM, too; its memory is lost.")
    private boolean force;

    @Option(
            names = "--images",
            description = "Removes all images of it, too: its checkpoints, and those of an earlier VM of its name.")
    private boolean images;

    @Override
    int run() throws IOException {
        RemovalReport report = engine().remove(name, force, images);
        return print(
                Map.of("removed", name, "removedImages", report.removed(), "keptImages", report.kept()),
                "vm %s: removed%s".formatted(name, describe(report)));
    }

    private static String describe(RemovalReport report) {
        if (!report.kept().isEmpty()) {
            return "; %d of its images stay (%s), 'dormouse image rm' removes one"
                    .formatted(report.kept().size(), String.join(", ", report.kept()));
        }
        return report.removed().isEmpty() ? "" : " with its images " + String.join(", ", report.removed());
    }
}
