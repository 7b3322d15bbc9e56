package dev.dormouse.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "help",
        description = "Prints the help of Dormouse or of a command, as '--help' does.",
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse help", "  dormouse help vm create"})
final class HelpCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "COMMAND", arity = "0..*", description = "The command, all of Dormouse if left out.")
    private List<String> names = List.of();

    @Override
    public Integer call() {
        CommandLine command = spec.root().commandLine();
        for (String name : names) {
            CommandLine next = command.getSubcommands().get(name);
            if (next == null) {
                throw new ParameterException(spec.commandLine(), "no command '%s'".formatted(String.join(" ", names)));
            }
            command = next;
        }
        command.usage(spec.commandLine().getOut());
        return 0;
    }
}
