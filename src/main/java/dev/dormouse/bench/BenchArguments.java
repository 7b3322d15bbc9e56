package dev.dormouse.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The arguments of a bench, each of which is taken once. Owned by one thread.
final class BenchArguments {
    /// Makes options of what was given.
    @FunctionalInterface
    interface Parser<T> {
        /// @param qemu10 where QEMU 10.0 is, null if it is not at hand
        T parse(List<String> arguments, @Nullable Path qemu10, Path output);
    }

    private final List<String> rest;

    BenchArguments(List<String> arguments) {
        this.rest = new ArrayList<>(arguments);
    }

    /// For a bench that is a program of its own. Ends the process, as the command line does, where help is asked for or
    /// something is wrong.
    ///
    /// @param program its options, and last the file for the samples
    static <T> T parseOrExit(String bench, String usage, String[] program, Parser<T> parser) {
        List<String> given = List.of(program).subList(0, program.length - 1);
        if (given.contains("--help") || given.contains("-h")) {
            System.out.print(usage);
            System.exit(0);
        }
        String qemu10 = System.getProperty("dormouse.qemu10", "");
        try {
            return parser.parse(given, qemu10.isEmpty() ? null : Path.of(qemu10), Path.of(program[program.length - 1]));
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse: bench " + bench + ": " + e.getMessage());
            System.exit(2);
            throw e;
        }
    }

    boolean flag(String name) {
        return rest.remove(name);
    }

    String text(String name, String otherwise) {
        int at = rest.indexOf(name);
        if (at < 0) {
            return otherwise;
        }
        if (at + 1 >= rest.size()) {
            throw new IllegalArgumentException(name + ": its value is missing, see --help");
        }
        rest.remove(at);
        return rest.remove(at);
    }

    int number(String name, int otherwise) {
        return Integer.parseInt(text(name, Integer.toString(otherwise)));
    }

    <T extends @Nullable Object> List<T> list(String name, String otherwise, Function<String, T> parse) {
        return Arrays.stream(text(name, otherwise).split(",", -1)).map(parse).toList();
    }

    void refuseRest() {
        if (!rest.isEmpty()) {
            throw new IllegalArgumentException("'" + rest.getFirst() + "' is not an option, see --help");
        }
    }
}
