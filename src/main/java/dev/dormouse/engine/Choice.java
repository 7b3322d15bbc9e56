package dev.dormouse.engine;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Reads one of a few words that a user may give.
final class Choice {
    private Choice() {}

    /// @throws IllegalArgumentException that names the words, if it is none of them
    static <E extends Enum<E>> E of(String what, Class<E> type, @Nullable String word, E preset) {
        if (word == null) {
            return preset;
        }
        for (E constant : type.getEnumConstants()) {
            if (constant.name().equalsIgnoreCase(word)) {
                return constant;
            }
        }
        String allowed = Arrays.stream(type.getEnumConstants())
                .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                .collect(Collectors.joining(", "));
        throw new IllegalArgumentException("%s is '%s', allowed are %s".formatted(what, word, allowed));
    }
}
