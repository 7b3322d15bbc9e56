package dev.dormouse.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The arguments of a bench, each of which is taken once. Owned by one thread.
final class BenchArguments {
    private final List<String> rest;
    private final String usage;

    BenchArguments(List<String> arguments, String usage) {
        this.rest = new ArrayList<>(arguments);
        this.usage = usage;
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
            throw new IllegalArgumentException(name + ": its value is missing\n" + usage);
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
            throw new IllegalArgumentException("'" + rest.getFirst() + "' is not an option\n" + usage);
        }
    }
}
