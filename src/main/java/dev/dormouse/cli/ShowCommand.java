package dev.dormouse.cli;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(
        name = "show",
        description = "Shows one VM: what it is doing, how it was made, its disks.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse show web", "  dormouse show --json web"})
final class ShowCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", description = "The VM.")
    private String name;

    @Override
    int run() throws IOException {
        var vm = main().lookingEngine().status(name);
        return print(vm, Texts.describe(vm));
    }
}
