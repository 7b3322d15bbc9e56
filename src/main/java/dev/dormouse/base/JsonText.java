package dev.dormouse.base;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// JSON text that people write, as RFC 8259 has it and with each name once; every value knows its place, for messages
/// that say where something is wrong. What is read again and again goes by [Json], which is faster and more lenient.
final class JsonText {
    private static final Pattern NUMBER = Pattern.compile("-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?");
    private static final Pattern WORD = Pattern.compile("[\\w.+-]+");
    private static final Pattern FOUR_HEX = Pattern.compile("[0-9a-fA-F]{4}");
    private static final int SHOWN_MAX = 40;

    private final String text;
    private int at;

    /// A value.
    sealed interface Node {
        /// {@return its place: how many characters are before it}
        int at();
    }

    /// An object.
    ///
    /// @param names the places of the names
    record Members(int at, Map<String, Node> values, Map<String, Integer> names) implements Node {}

    /// An array.
    record Items(int at, List<Node> values) implements Node {}

    /// A text, without its quotes.
    record Text(int at, String value) implements Node {}

    /// A number, as it is written.
    record Digits(int at, String digits) implements Node {}

    /// `true`, `false` or `null`.
    record Word(int at, String word) implements Node {}

    private JsonText(String text) {
        this.text = text;
    }

    /// @param text is not nested deeper than the stack allows
    /// @throws IllegalArgumentException that says what is wrong, and where
    static Node read(String text) {
        var reader = new JsonText(text);
        Node node = reader.value();
        reader.skipSpace();
        if (reader.at < text.length()) {
            throw reader.expected("the end");
        }
        return node;
    }

    /// {@return where that is, for people}
    static String place(String text, int at) {
        int line = 1;
        int begin = 0;
        for (int i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', begin)) {
            line++;
            begin = i + 1;
        }
        return "line %d, column %d".formatted(line, at - begin + 1);
    }

    /// {@return a word in quotes, without what is no printable character, and cut off if it is long}
    static String shown(String word) {
        String plain = word.replaceAll("\\p{Cntrl}", "?");
        return plain.length() > SHOWN_MAX ? "'%s…'".formatted(plain.substring(0, SHOWN_MAX)) : "'%s'".formatted(plain);
    }

    private IllegalArgumentException expected(String what) {
        Matcher word = WORD.matcher(text).region(at, text.length());
        String found = at == text.length()
                ? "the text ends"
                : "there is " + shown(word.lookingAt() ? word.group() : text.substring(at, at + 1));
        return new IllegalArgumentException(
                "not JSON: %s where %s was to come (%s)".formatted(found, what, place(text, at)));
    }

    private void skipSpace() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    /// Takes a character, before which there may be space, if it is the next one.
    private boolean take(char wanted) {
        skipSpace();
        boolean found = at < text.length() && text.charAt(at) == wanted;
        at += found ? 1 : 0;
        return found;
    }

    private Node value() {
        skipSpace();
        int begin = at;
        if (take('{')) {
            return members(begin);
        }
        if (take('[')) {
            return items(begin);
        }
        if (take('"')) {
            return new Text(begin, rest());
        }
        Matcher number = NUMBER.matcher(text).region(at, text.length());
        Matcher word = WORD.matcher(text).region(at, text.length());
        if (word.lookingAt() && number.lookingAt() && number.end() == word.end()) {
            at = number.end();
            return new Digits(begin, number.group());
        }
        if (word.lookingAt() && List.of("true", "false", "null").contains(word.group())) {
            at = word.end();
            return new Word(begin, word.group());
        }
        throw expected("a value");
    }

    private Node members(int begin) {
        var values = new LinkedHashMap<String, Node>();
        var names = new LinkedHashMap<String, Integer>();
        if (take('}')) {
            return new Members(begin, values, names);
        }
        do {
            skipSpace();
            int nameAt = at;
            if (!take('"')) {
                throw expected("a name in \"\"");
            }
            String name = rest();
            if (names.putIfAbsent(name, nameAt) != null) {
                throw new IllegalArgumentException(
                        "%s is given twice (%s)".formatted(shown(name), place(text, nameAt)));
            }
            if (!take(':')) {
                throw expected("a ':'");
            }
            values.put(name, value());
        } while (take(','));
        if (!take('}')) {
            throw expected("a ',' or '}'");
        }
        return new Members(begin, values, names);
    }

    private Node items(int begin) {
        var values = new ArrayList<Node>();
        if (take(']')) {
            return new Items(begin, values);
        }
        do {
            values.add(value());
        } while (take(','));
        if (!take(']')) {
            throw expected("a ',' or ']'");
        }
        return new Items(begin, values);
    }

    /// {@return the rest of a text, whose first quote was taken}
    private String rest() {
        var value = new StringBuilder();
        while (at < text.length() && text.charAt(at) != '"') {
            char c = text.charAt(at);
            if (c < ' ') {
                throw expected("the end of a text, in which such a character is written as \\u%04x".formatted((int) c));
            }
            at++;
            value.append(c == '\\' ? escaped() : c);
        }
        if (!take('"')) {
            throw expected("the end of a text");
        }
        return value.toString();
    }

    private char escaped() {
        int escape = at == text.length() ? -1 : "\"\\/bfnrtu".indexOf(text.charAt(at));
        if (escape < 0) {
            throw expected("one of \" \\ / b f n r t u");
        }
        at++;
        if (text.charAt(at - 1) != 'u') {
            return "\"\\/\b\f\n\r\t".charAt(escape);
        }
        if (!FOUR_HEX.matcher(text).region(at, text.length()).lookingAt()) {
            throw expected("a character as four hexadecimal digits");
        }
        at += 4;
        return (char) Integer.parseInt(text, at - 4, at, 16);
    }
}
