package dev.dormouse.bench;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// One answer of the probe, `ok` followed by words or by `name=number` pairs, or `error` and a text.
record ProbeAnswer(String command, String text) {
    /// @throws ProbeException if the guest answered with an error
    ProbeAnswer orThrow() throws ProbeException {
        if (text.equals("ok") || text.startsWith("ok ")) {
            return this;
        }
        throw new ProbeException("guest: '%s' answered: %s".formatted(command, text));
    }

    /// {@return what follows the `ok`}
    String words() {
        return text.length() > 3 ? text.substring(3) : "";
    }

    /// {@return the word of the pair with this name}
    String text(String name) throws ProbeException {
        String value = pairs().get(name);
        if (value == null) {
            throw new ProbeException(
                    "guest: '%s' answered '%s', '%s=' and a word are expected".formatted(command, text, name));
        }
        return value;
    }

    /// {@return the number of the pair with this name; it is unsigned below 2^63}
    long number(String name) throws ProbeException {
        String value = pairs().get(name);
        try {
            long number = Long.parseLong(value == null ? "" : value);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException _) {
            // Reported below, as a number out of range is.
        }
        throw new ProbeException(
                "guest: '%s' answered '%s', '%s=' and a number are expected".formatted(command, text, name));
    }

    /// {@return the histogram, 32 counts that are separated by commas}
    LatencyHistogram histogram() throws ProbeException {
        String value = pairs().getOrDefault("histogram", "");
        try {
            String[] words = value.split(",", -1);
            if (words.length == LatencyHistogram.BUCKET_COUNT) {
                return new LatencyHistogram(
                        Arrays.stream(words).mapToLong(Long::parseLong).toArray());
            }
        } catch (IllegalArgumentException _) {
            // Not a number, negative, or too large: reported below, as a wrong number of counts is.
        }
        throw new ProbeException("guest: '%s' answered '%s', 'histogram=' and %d counts are expected"
                .formatted(command, text, LatencyHistogram.BUCKET_COUNT));
    }

    private Map<String, String> pairs() {
        Map<String, String> pairs = new HashMap<>();
        for (String word : words().split(" ", -1)) {
            int at = word.indexOf('=');
            if (at > 0) {
                pairs.put(word.substring(0, at), word.substring(at + 1));
            }
        }
        return pairs;
    }
}
