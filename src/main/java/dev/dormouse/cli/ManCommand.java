package dev.dormouse.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "generate-man",
        hidden = true,
        description = "Writes a manual page for each command, of what '--help' says; for the package.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse generate-man --folder /var/tmp/man1")
final class ManCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--folder", paramLabel = "DIR", required = true, description = "Where to write them.")
    private Path folder;

    @Override
    public Integer call() throws IOException {
        Files.createDirectories(folder);
        write(spec.root().commandLine());
        return 0;
    }

    private void write(CommandLine command) throws IOException {
        CommandSpec described = command.getCommandSpec();
        if (described.usageMessage().hidden()) {
            return;
        }
        Files.writeString(folder.resolve(ManPage.name(described) + ".1"), ManPage.of(described));
        for (CommandLine sub : command.getSubcommands().values()) {
            write(sub);
        }
    }
}
