package dev.dormouse.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/// The manual page of a command, in the language of man(7).
final class ManPage {
    private final CommandSpec command;
    private final StringBuilder text = new StringBuilder();

    private ManPage(CommandSpec command) {
        this.command = command;
    }

    /// {@return the name of its page: `dormouse-vm-create`}
    static String name(CommandSpec command) {
        return command.qualifiedName("-");
    }

    static String of(CommandSpec command) {
        return new ManPage(command).write();
    }

    private String write() {
        CommandLine.Help help = command.commandLine().getHelp();
        String[] description = command.usageMessage().description();
        line(".TH \"%s\" 1 \"\" Dormouse".formatted(name(command).toUpperCase(Locale.ROOT)));
        section("NAME");
        plain(name(command) + " - " + firstSentence(String.join(" ", description)));
        section("SYNOPSIS");
        plain(help.synopsis(0).strip().replaceAll("\\s+", " "));
        section("DESCRIPTION");
        plain(String.join(" ", description));
        options();
        subcommands();
        facts("EXIT STATUS", command.usageMessage().exitCodeList());
        examples(command.usageMessage().footer());
        section("SEE ALSO");
        plain(command.parent() == null ? "dormouse-serve(1), dormouse-doctor(1)" : "dormouse(1)");
        return text.toString();
    }

    private void options() {
        List<OptionSpec> options =
                command.options().stream().filter(option -> !option.hidden()).toList();
        if (options.isEmpty() && command.positionalParameters().isEmpty()) {
            return;
        }
        section("OPTIONS");
        for (PositionalParamSpec parameter : command.positionalParameters()) {
            item(parameter.paramLabel(), parameter.description());
        }
        for (OptionSpec option : options) {
            String value = option.arity().max() == 0 ? "" : "=" + option.paramLabel();
            item(String.join(", ", option.names()) + value, rendered(option));
        }
    }

    private static String[] rendered(OptionSpec option) {
        String value = String.valueOf(option.defaultValueString());
        return Arrays.stream(option.description())
                .map(line -> line.replace("${DEFAULT-VALUE}", value).replace("$$", "$"))
                .toArray(String[]::new);
    }

    private void subcommands() {
        List<CommandSpec> commands = command.subcommands().values().stream()
                .map(CommandLine::getCommandSpec)
                .filter(sub -> !sub.usageMessage().hidden())
                .toList();
        if (!commands.isEmpty()) {
            section("COMMANDS");
            commands.forEach(sub -> item(name(sub) + "(1)", sub.usageMessage().description()));
        }
    }

    private void facts(String heading, Map<String, String> facts) {
        if (!facts.isEmpty()) {
            section(heading);
            facts.forEach((key, value) -> item(key, value));
        }
    }

    private void examples(String[] lines) {
        if (lines.length > 0) {
            section("EXAMPLES");
            line(".nf");
            for (String example : lines) {
                plain(Ansi.OFF.string(example).replace("$$", "$").replace("%n", ""));
            }
            line(".fi");
        }
    }

    private void section(String heading) {
        line(".SH " + heading);
    }

    private void item(String term, String... description) {
        line(".TP");
        line("\\fB" + escape(term) + "\\fR");
        plain(String.join(" ", description));
    }

    private void plain(String words) {
        String escaped = escape(words.replace("$$", "$"));
        // A line that begins with a point or a quote would be taken for a command.
        line(escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped.isEmpty() ? "." : escaped);
    }

    private static String escape(String words) {
        return words.replace("\\", "\\e").replace("-", "\\-");
    }

    private static String firstSentence(String description) {
        return description.split("[.;:,] ", 2)[0].replaceAll("\\.$", "");
    }

    private void line(String line) {
        text.append(line).append('\n');
    }
}
