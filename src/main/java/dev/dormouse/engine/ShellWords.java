package dev.dormouse.engine;

import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Commands as a shell reads them.
public final class ShellWords {
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_@%+=:,./-]+");

    private ShellWords() {}

    /// {@return the word so that a shell takes it as one, and literally}
    public static String quote(String word) {
        return PLAIN.matcher(word).matches() ? word : "'" + word.replace("'", "'\\''") + "'";
    }

    /// {@return the command on one line}
    public static String join(List<String> command) {
        return command.stream().map(ShellWords::quote).collect(Collectors.joining(" "));
    }
}
