package dev.dormouse.cli;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "standby",
        description = {
            "Has a QEMU wait for the resume of a suspended VM, which then starts a quarter of a second sooner.",
            "It takes some 50 MiB of the host's memory, until the VM is resumed or another command for the VM ends it. "
                    + "'dormouse vm settings NAME --standby' has the daemon do this each time the VM is suspended."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse standby desk", "  dormouse standby --end desk"})
final class StandbyCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Option(names = "--end", description = "Ends the QEMU that waits.")
    private boolean end;

    @Override
    int run() throws IOException {
        return print(show(bar -> {
            bar.step(end ? "ending the QEMU that waits" : "starting a QEMU that waits");
            return end ? engine().endStandby(name) : engine().standby(name);
        }));
    }
}
