package dev.dormouse.cli;

import dev.dormouse.engine.GcReport;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "gc",
        description = {
            "Removes what operations that were cut off have left, and merges overlays that nobody needs.",
            "What a VM, an image or a running process needs stays; images always stay."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse gc --dry-run", "  dormouse gc", "  dormouse gc --json"})
final class GcCommand extends FactsCommand {
    @Option(names = "--dry-run", description = "Only says what would be removed.")
    private boolean dryRun;

    @Override
    int run() throws IOException {
        GcReport report = show(bar -> engine().collectGarbage(dryRun, new ProgressListener(bar)));
        return print(report, Texts.describe(report));
    }
}
