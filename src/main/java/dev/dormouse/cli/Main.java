package dev.dormouse.cli;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/// The command `dormouse`; its sub-commands are classes of their own.
@Command(
        name = "dormouse",
        versionProvider = Main.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        description = "Puts running virtual machines to sleep in small images and wakes them lazily.",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed; nothing is lost unless the message says so",
            "2:wrong usage",
            "3:damaged image",
            "4:image of a version or with a feature that this build does not know",
            "5:encrypted image whose key is missing, unusable or another one",
            "130:interrupted"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse vm create web --memory 4G --disk web.qcow2",
            "  dormouse start web",
            "  dormouse suspend web",
            "  dormouse resume web",
            "",
            "State lies under $DORMOUSE_HOME (default ~/.local/share/dormouse).",
            "DORMOUSE_QEMU names the QEMU to use; DORMOUSE_DEBUG=1 prints the stack trace of an error."
        },
        subcommands = {
            VmGroup.class,
            StartCommand.class,
            SuspendCommand.class,
            ResumeCommand.class,
            StandbyCommand.class,
            RehearseCommand.class,
            CheckpointCommand.class,
            RestoreCommand.class,
            StopCommand.class,
            ListCommand.class,
            ShowCommand.class,
            RemoveCommand.class,
            ImageGroup.class,
            IndexCommand.class,
            GcCommand.class,
            ServeCommand.class,
            TopCommand.class,
            TokenGroup.class,
            DoctorCommand.class,
            DemoCommand.class,
            CompletionCommand.class,
            ManCommand.class,
            HelpCommand.class,
            PageServerCommand.class,
            TrainCommand.class
        })
public final class Main implements Runnable {
    private final Map<String, String> environment;
    private final Interruption interruption = new Interruption();

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--qemu",
            paramLabel = "PATH",
            scope = ScopeType.INHERIT,
            description = "The qemu-system-x86_64 to use; else $$DORMOUSE_QEMU, else that on the PATH.")
    private @Nullable Path qemu;

    @Option(
            names = "--no-daemon",
            scope = ScopeType.INHERIT,
            description = "Does the work in this process, and starts no daemon; as DORMOUSE_DAEMON=none.")
    private boolean noDaemon;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Prints this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it.
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Prints the versions of Dormouse and of Java.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it.
    private boolean version;

    Main(Map<String, String> environment) {
        this.environment = Map.copyOf(environment);
    }

    /// Runs the command and ends the process with its exit code.
    public static void main(String[] args) {
        Engine.keepFromOthers();
        var out = new PrintWriter(System.out, false, StandardCharsets.UTF_8);
        var err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        System.exit(run(System.getenv(), out, err, args));
    }

    /// Runs one command in this process.
    ///
    /// @param environment in the place of the process's own, as far as Dormouse's variables go
    /// @return the exit code
    public static int run(Map<String, String> environment, PrintWriter out, PrintWriter err, String... args) {
        var main = new Main(environment);
        try {
            int exitCode = commandLine(main, Arrays.asList(args).contains("--json"))
                    .setOut(out)
                    .setErr(err)
                    .execute(args);
            if (out.checkError() && exitCode == 0) {
                err.println(
                        "dormouse: standard output: not all could be written, is its disk full or its reader gone?");
                return Failures.FAILED;
            }
            return exitCode;
        } finally {
            out.flush();
            err.flush();
            main.interruption.ended();
        }
    }

    /// {@return the parser with all commands}
    static CommandLine commandLine(Main main, boolean json) {
        var failures = new Failures(json, main.environment.containsKey("DORMOUSE_DEBUG"));
        return new CommandLine(main)
                .setExecutionExceptionHandler(failures)
                .setParameterExceptionHandler(failures)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpAutoWidth(true);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "no command given");
    }

    Map<String, String> environment() {
        return environment;
    }

    Interruption interruption() {
        return interruption;
    }

    /// {@return the QEMU that the user named, null if none}
    @Nullable
    Path qemu() {
        return qemu;
    }

    /// {@return whether the user wants no daemon to do the work}
    boolean worksAlone() {
        return noDaemon || "none".equals(environment.get("DORMOUSE_DAEMON"));
    }

    /// Tells the user what is not as it should be, though the work is done.
    void warn(String what) {
        spec.commandLine().getErr().println("dormouse: " + what);
    }

    Home home() throws IOException {
        return Home.fromEnvironment(environment);
    }

    /// {@return an engine with the QEMU in use}
    Engine engine() throws IOException {
        return new Engine(home(), QemuTools.locate(qemu));
    }

    /// {@return an engine that can only look; works where there is no QEMU}
    Engine lookingEngine() throws IOException {
        return new Engine(home());
    }

    static final class Version implements IVersionProvider {
        /// {@return the version of the jar; classes that are not in one have none}
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {
                "dormouse " + (version == null ? "(not packaged)" : version),
                "Java %s (%s)".formatted(Runtime.version(), System.getProperty("java.vendor"))
            };
        }
    }
}
