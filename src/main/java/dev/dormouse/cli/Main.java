package dev.dormouse.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The command `dormouse`; its sub-commands are classes of their own.
@Command(
        name = "dormouse",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        description = "Puts running virtual machines to sleep in small images and wakes them lazily.",
        exitCodeListHeading = "%nExit codes:%n",
        subcommands = DemoCommand.class,
        exitCodeList = {"0:done", "1:failed", "2:wrong usage", "3:damaged image"})
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    /// Runs the command and ends the process with its exit code.
    public static void main(String[] args) {
        System.exit(new CommandLine(new Main()).execute(args));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "dormouse: no command, see 'dormouse --help'");
    }

    static final class Version implements IVersionProvider {
        /// {@return the version of the jar; classes that are not in one have none}
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"dormouse " + (version == null ? "(not packaged)" : version)};
        }
    }
}
