package dev.dormouse.cli;

import java.io.IOException;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "rm",
        description = {
            "Removes a VM that does not run: its overlays and the memory that was saved.",
            "Disks that it was given stay, and so do checkpoints."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse rm web", "  dormouse rm --force web"})
final class RemoveCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Option(names = "--force", description = "Removes a suspended or crashed VM, too; its memory is lost.")
    private boolean force;

    @Override
    int run() throws IOException {
        engine().remove(name, force);
        return print(Map.of("removed", name), "vm %s: removed".formatted(name));
    }
}
