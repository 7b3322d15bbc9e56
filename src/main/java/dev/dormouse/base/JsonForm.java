package dev.dormouse.base;

import dev.dormouse.base.JsonText.Items;
import dev.dormouse.base.JsonText.Members;
import dev.dormouse.base.JsonText.Node;
import dev.dormouse.base.JsonText.Text;
import dev.dormouse.base.JsonText.Word;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// Whether JSON text that people write fits a record: names that it has, values of the right kind. Says what does not
/// in
/// their words, and where it stands.
final class JsonForm {
    private final String text;

    private JsonForm(String text) {
        this.text = text;
    }

    /// @throws IllegalArgumentException that says what is wrong, and where
    static void check(Class<?> type, String text) {
        var form = new JsonForm(text);
        Node whole = JsonText.read(text);
        if (isNull(whole)) {
            throw form.wrong("", "is null, an object is wanted", whole.at());
        }
        form.check(type, whole, "");
    }

    private IllegalArgumentException wrong(String name, String what, int at) {
        String whole = name.isEmpty() ? what : "%s %s".formatted(JsonText.shown(name), what);
        return new IllegalArgumentException("%s (%s)".formatted(whole, JsonText.place(text, at)));
    }

    /// @param name of what it is, from the outermost on; empty for the whole
    private void check(Type type, Node node, String name) {
        Optional<String> wanted = wanted(type, node);
        if (wanted.isPresent()) {
            throw wrong(name, "is %s, %s is wanted".formatted(described(node), wanted.get()), node.at());
        }
        if (node instanceof Items items && type instanceof ParameterizedType list) {
            for (int i = 0; i < items.values().size(); i++) {
                Node item = items.values().get(i);
                if (isNull(item)) {
                    throw wrong("%s[%d]".formatted(name, i), "is null, leave it out", item.at());
                }
                check(list.getActualTypeArguments()[0], item, "%s[%d]".formatted(name, i));
            }
        }
        if (node instanceof Members members && type instanceof Class<?> record) {
            checkMembers(record.getRecordComponents(), members, name);
        }
    }

    private void checkMembers(RecordComponent[] components, Members members, String name) {
        members.values().forEach((key, value) -> {
            String whole = name.isEmpty() ? key : name + "." + key;
            RecordComponent component = Arrays.stream(components)
                    .filter(known -> known.getName().equals(key))
                    .findFirst()
                    .orElseThrow(() -> wrong(
                            whole,
                            "is not known here, known are: " + names(components),
                            members.names().get(key)));
            check(component.getGenericType(), value, whole);
        });
    }

    private static String names(RecordComponent[] components) {
        return Arrays.stream(components).map(RecordComponent::getName).collect(Collectors.joining(", "));
    }

    private static boolean isNull(Node node) {
        return node instanceof Word(int _, String word) && word.equals("null");
    }

    /// {@return what is wanted in the place of the value; empty if it will do}
    private static Optional<String> wanted(Type type, Node node) {
        if (isNull(node)) {
            return type instanceof Class<?> primitive && primitive.isPrimitive() ? kind(type) : Optional.empty();
        }
        boolean fits = switch (type) {
            case ParameterizedType _ -> node instanceof Items;
            case Class<?> record when record.isRecord() -> node instanceof Members;
            case Class<?> text when text == String.class -> node instanceof Text;
            case Class<?> words
            when words.isEnum() ->
                node instanceof Text(int _, String value) && words(words).contains(value);
            case Class<?> flag when flag == boolean.class || flag == Boolean.class -> node instanceof Word;
            case Class<?> number
            when number == int.class || number == Integer.class -> isWhole(node, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case Class<?> number
            when number == long.class || number == Long.class -> isWhole(node, Long.MIN_VALUE, Long.MAX_VALUE);
            default -> true; // Left to the parser.
        };
        return fits ? Optional.empty() : kind(type);
    }

    private static Optional<String> kind(Type type) {
        return Optional.of(
                switch (type) {
                    case ParameterizedType _ -> "an array";
                    case Class<?> record when record.isRecord() -> "an object";
                    case Class<?> text when text == String.class -> "a text";
                    case Class<?> words when words.isEnum() -> "one of " + String.join(", ", words(words));
                    case Class<?> flag when flag == boolean.class || flag == Boolean.class -> "true or false";
                    default ->
                        "a whole number of %d bits".formatted(type == int.class || type == Integer.class ? 32 : 64);
                });
    }

    private static List<String> words(Class<?> type) {
        return Arrays.stream(type.getEnumConstants()).map(String::valueOf).toList();
    }

    private static boolean isWhole(Node node, long min, long max) {
        if (!(node instanceof JsonText.Digits(int _, String digits))) {
            return false;
        }
        if (!digits.matches("-?[0-9]{1,20}")) {
            return false;
        }
        var value = new BigDecimal(digits);
        return value.compareTo(BigDecimal.valueOf(min)) >= 0 && value.compareTo(BigDecimal.valueOf(max)) <= 0;
    }

    private static String described(Node node) {
        return switch (node) {
            case Members _ -> "an object";
            case Items _ -> "an array";
            case Text(int _, String value) -> JsonText.shown(value);
            case JsonText.Digits(int _, String digits) -> JsonText.shown(digits).replace("'", "");
            case Word(int _, String word) -> word;
        };
    }
}
