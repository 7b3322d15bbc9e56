package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class MainTest {
    private static final Path DOCUMENTATION = Path.of("docs/cli.md");

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    ''              | no command given; see 'dormouse --help'
                    vm              | no command given; see 'dormouse vm --help'
                    image           | no command given; see 'dormouse image --help'
                    show            | Missing required parameter: 'NAME'; see 'dormouse show --help'
                    start a b       | Unmatched argument at index 2: 'b'; see 'dormouse start --help'
                    list --jso      | Unknown option: '--jso', did you mean --json?; see 'dormouse list --help'
                    help fly        | no command 'fly'; see 'dormouse help --help'
                    restore x       | Missing required option: '--as=NAME'; see 'dormouse restore --help'
                    """)
    void refusesWrongUsage(String command, String message) {
        CliRun run = CliRun.of(folder, command.isEmpty() ? new String[0] : command.split(" ", -1));

        assertThat(run).isEqualTo(new CliRun(2, "", "dormouse: " + message + "\n"));
    }

    /// Nobody who sets a limit means none.
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    --restores-max 0   | --restores-max is 0, 1 or more are allowed
                    --memory-limit 0G  | --memory-limit is '0G', more than 0 is allowed; without the option there is no limit
                    --restores-rate 0M | --restores-rate is '0M', more than 0 is allowed; without the option there is no limit
                    --memory-limit 0   | --memory-limit is '0', a number with K, M, G or T is allowed, as in 4G
                    """)
    void refusesLimitsOfNothing(String options, String message) {
        CliRun run = CliRun.of(folder, ("serve " + options).split(" ", -1));

        assertThat(run).isEqualTo(new CliRun(2, "", "dormouse: " + message + "\n"));
    }

    @Test
    void suggestsTheCommandThatWasMeant() {
        CliRun run = CliRun.of(folder, "suspent", "web");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("did you mean", "suspend").hasLineCount(1);
    }

    @Test
    void printsErrorsAsJsonToo() {
        CliRun run = CliRun.of(folder, "show", "--json", "web");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(Json.parseObject(run.err()))
                .isEqualTo(Map.of("error", "vm web: no such VM, 'dormouse list' shows those there are"));
    }

    @ParameterizedTest
    @CsvSource({"show", "start", "suspend", "resume", "checkpoint", "stop", "rm"})
    void saysThatThereIsNoSuchVm(String command) {
        CliRun run = CliRun.of(folder, "--qemu", "/bin/true", command, "web");

        assertThat(run)
                .isEqualTo(new CliRun(1, "", "dormouse: vm web: no such VM, 'dormouse list' shows those there are\n"));
    }

    @ParameterizedTest
    @CsvSource({"inspect", "verify", "rm"})
    void saysThatThereIsNoSuchImage(String command) {
        CliRun run = CliRun.of(folder, "image", command, "web");

        assertThat(run)
                .isEqualTo(new CliRun(
                        1, "", "dormouse: image web: no such image, 'dormouse image list' shows those there are\n"));
    }

    @Test
    void listsNothingInAnEmptyHome() {
        assertThat(CliRun.of(folder, "list", "--json")).isEqualTo(new CliRun(0, "[]\n", ""));
        assertThat(CliRun.of(folder, "image", "list", "--json")).isEqualTo(new CliRun(0, "[]\n", ""));
        assertThat(CliRun.of(folder, "list").out()).isEqualTo("no VMs; 'dormouse vm create' makes one\n");
    }

    @Test
    void saysWithItsExitCodeThatAnImageIsDamaged() throws Exception {
        Path image = folder.resolve("broken.dormouse");
        Files.write(image, new byte[100_000]);

        for (String command : List.of("inspect", "verify")) {
            CliRun run = CliRun.of(folder, "image", command, image.toString());

            assertThat(run.exitCode()).as(run.toString()).isEqualTo(3);
            assertThat(run.err()).startsWith("dormouse: " + image).hasLineCount(1);
        }
    }

    @Test
    void listsADamagedImageBesideTheOthers() throws Exception {
        CliRun.of(folder, "list");
        Files.write(folder.resolve("home/images/broken.dormouse"), new byte[100_000]);

        CliRun run = CliRun.of(folder, "image", "list");

        assertThat(run.exitCode()).isZero();
        assertThat(run.out().lines())
                .satisfiesExactly(
                        heading -> assertThat(heading).startsWith("ID "),
                        row -> assertThat(row).matches("broken +\\(unreadable\\) +- +- +97\\.7 KiB"),
                        gap -> assertThat(gap).isEmpty(),
                        error -> assertThat(error)
                                .startsWith(folder.resolve("home/images/broken.dormouse") + ": damaged at"));
    }

    @Test
    void listsADamagedVmBesideTheOthers() throws Exception {
        Path vms = folder.resolve("home/vms");
        CliRun.of(folder, "list");
        for (String vm : List.of("broken", "fine")) {
            CliRun.of(folder, "vm", "create", vm, "--memory", "16M");
        }
        Files.writeString(vms.resolve("broken/state.json"), "{");

        CliRun run = CliRun.of(folder, "list");

        assertThat(run.exitCode()).as(run.toString()).isZero();
        assertThat(run.out().lines())
                .satisfiesExactly(
                        heading -> assertThat(heading).startsWith("NAME "),
                        row -> assertThat(row).matches("broken +\\(unreadable\\) +- +- +- +- +-"),
                        row -> assertThat(row).startsWith("fine "),
                        gap -> assertThat(gap).isEmpty(),
                        error -> assertThat(error).startsWith("vm broken: " + vms.resolve("broken/state.json")));
        assertThat(CliRun.of(folder, "list", "--json").out())
                .contains(
                        "\"state\":\"unreadable\"",
                        vms.resolve("broken/state.json").toString());
    }

    @Test
    void refusesAWrongRateBeforeAnythingIsStarted() {
        CliRun run = CliRun.of(folder, "resume", "--background-rate", "fast", "web");

        assertThat(run)
                .isEqualTo(new CliRun(
                        2,
                        "",
                        "dormouse: --background-rate is 'fast', a number with K, M, G or T is allowed, as in 4G\n"));
    }

    @Test
    void printsVersions() {
        assertThat(CliRun.of(folder, "--version").out()).startsWith("dormouse ").contains("\nJava 2");
    }

    @Test
    void showsExamplesInTheHelpOfEveryCommand() {
        for (String name : commands()) {
            CliRun run = CliRun.of(folder, ("help " + name).split(" ", -1));

            assertThat(run.exitCode()).as(name).isZero();
            assertThat(run.out()).as(name).contains("Usage: dormouse", "Examples:\n", "dormouse " + name);
        }
    }

    @Test
    void completesEveryCommand() {
        CliRun run = CliRun.of(folder, "generate-completion");

        assertThat(run.out()).contains("_complete_dormouse", "checkpoint", "generate-completion");
    }

    @Test
    void documentsExactlyTheCommandsThatThereAre() throws Exception {
        List<String> documented = Pattern.compile("(?m)^### `dormouse ([a-z -]+)`$")
                .matcher(Files.readString(DOCUMENTATION))
                .results()
                .map(match -> match.group(1))
                .toList();

        assertThat(documented).containsExactlyInAnyOrderElementsOf(commands());
    }

    @Test
    void documentsEveryOption() throws Exception {
        String documentation = Files.readString(DOCUMENTATION);
        for (CommandLine command : allCommands()) {
            for (var option : command.getCommandSpec().options()) {
                assertThat(documentation)
                        .as(command.getCommandSpec().qualifiedName())
                        .contains(option.longestName());
            }
        }
    }

    @Test
    void documentsEveryExitCode() throws Exception {
        String documentation = Files.readString(DOCUMENTATION);
        CommandLine dormouse = Main.commandLine(new Main(Map.of()), false);
        dormouse.getCommandSpec()
                .usageMessage()
                .exitCodeList()
                .forEach((code, meaning) -> assertThat(documentation).contains("| " + code + " | " + meaning + " |"));
    }

    private static List<String> commands() {
        return allCommands().stream()
                .map(command -> command.getCommandSpec().qualifiedName().replaceFirst("^dormouse ", ""))
                .toList();
    }

    /// {@return all commands that can be seen and that do something, those in groups included}
    private static List<CommandLine> allCommands() {
        var commands = new ArrayList<CommandLine>();
        for (CommandLine command :
                Main.commandLine(new Main(Map.of()), false).getSubcommands().values()) {
            if (!command.getSubcommands().isEmpty()) {
                commands.addAll(command.getSubcommands().values());
            } else if (!command.getCommandSpec().usageMessage().hidden()) {
                commands.add(command);
            }
        }
        return commands;
    }
}
