package dev.dormouse.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
        name = "generate-completion",
        description = "Prints a script with which bash and zsh complete the commands.",
        footerHeading = "%nExamples:%n",
        footer = "  source <(dormouse generate-completion)")
final class CompletionCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        spec.commandLine()
                .getOut()
                .print(AutoComplete.bash("dormouse", spec.root().commandLine()));
        return 0;
    }
}
