package dev.dormouse.cli;

import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.RehearsalResult;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "rehearse",
        description = {
            "Lets a suspended VM run for 4 to 20 seconds where nobody sees it, to learn which pages it touches first: "
                    + "the next resume brings them before it needs them.",
            "What the guest does there is thrown away, and its network leads nowhere. Resuming the VM, or any other command "
                    + "for it, ends the rehearsal at once. 'dormouse vm settings NAME --rehearse' has the daemon do this "
                    + "each time the VM was suspended."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse rehearse desk", "  dormouse rehearse desk --json"})
final class RehearseCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Override
    int run() throws IOException {
        RehearsalResult result = show(bar -> engine().rehearse(
                        name, new ProgressListener(bar), main().interruption().arm()));
        return print(result, text(result));
    }

    private static String text(RehearsalResult result) {
        String asked = "vm %s: rehearsed, in %s its guest asked for %s of %s that are not zero"
                .formatted(
                        result.vm(),
                        seconds(result.ranMillis()),
                        pages(result.demandedPages()),
                        pages(result.nonZeroPages()));
        String copied = result.copiedPages() == 0
                ? asked
                : asked
                        + "; %s of the disks are copied for the resume, in %s"
                                .formatted(pages(result.copiedPages()), MemorySize.format(result.copiesBytes()));
        return result.wantedShare() < 1 ? copied : copied + "; it asked on: its memory is loaded before it runs";
    }

    private static String pages(long count) {
        return MemorySize.format(count * 4096);
    }
}
