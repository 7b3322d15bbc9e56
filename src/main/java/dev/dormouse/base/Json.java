package dev.dormouse.base;

import io.avaje.jsonb.Jsonb;
import java.util.List;
import java.util.Map;

/// JSON text to and from plain trees (`Map`, `List`, `String`, `Long`, `Double`, `Boolean`, null) and
/// to and from the records annotated with `@Json`. Stateless; any thread.
public final class Json {
    private static final Jsonb JSONB = Jsonb.builder().build();
    private static final Jsonb WITH_NULLS = Jsonb.builder().serializeNulls(true).build();

    /// The parser recurses once a level; QEMU's deepest description has about 10.
    private static final int DEPTH_MAX = 200;

    private Json() {}

    /// Made when it is needed: commands do not wait for it.
    private static final class Strict {
        private static final Jsonb JSONB =
                Jsonb.builder().failOnUnknown(true).failOnNullPrimitives(true).build();
    }

    /// Before the parser sees it: text that opens brackets without end would take all of the stack.
    private static void checkDepth(String text) {
        int depth = 0;
        boolean inString = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (inString) {
                if (c == '\\') {
                    i++;
                } else if (c == '"') {
                    inString = false;
                }
            } else if (c == '"') {
                inString = true;
            } else if (c == '{' || c == '[') {
                depth++;
                if (depth > DEPTH_MAX) {
                    throw new IllegalArgumentException(
                            "not JSON to be read: nested deeper than " + DEPTH_MAX + " levels");
                }
            } else if (c == '}' || c == ']') {
                depth--;
            }
        }
    }

    /// @throws IllegalArgumentException if the text is not one JSON object
    public static Map<String, Object> parseObject(String text) {
        checkDepth(text);
        try {
            return JSONB.type(Object.class).map().fromJson(text);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("not a JSON object: " + e.getMessage(), e);
        }
    }

    /// @throws IllegalArgumentException if the text is not a JSON array of objects
    public static List<Map<String, Object>> parseObjects(String text) {
        checkDepth(text);
        try {
            return JSONB.type(Object.class).map().list().fromJson(text);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("not a JSON array of objects: " + e.getMessage(), e);
        }
    }

    /// @throws IllegalArgumentException if the text is not a JSON object that fits the record
    public static <T> T parse(Class<T> type, String text) {
        checkDepth(text);
        try {
            return JSONB.type(type).fromJson(text);
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("not a JSON " + type.getSimpleName() + ": " + e.getMessage(), e);
        }
    }

    /// As [#parse], for text that people write: refuses what the record has no component for, and what is
    /// not quite JSON. The message says where.
    public static <T> T parseStrictly(Class<T> type, String text) {
        checkDepth(text);
        JsonForm.check(type, text);
        try {
            return Strict.JSONB.type(type).fromJson(text);
        } catch (RuntimeException e) { // What that did not find it says in words of its own.
            throw new IllegalArgumentException("is not of the form that is wanted", e);
        }
    }

    /// {@return the value on one line; a component of a record that is null is left out}
    public static String write(Object value) {
        return JSONB.toJson(value);
    }

    /// {@return the value on one line; a component of a record that is null is written as null}
    public static String writeWithNulls(Object value) {
        return WITH_NULLS.toJson(value);
    }

    /// {@return the map on one line; an entry that is null is written, for QEMU takes it as an answer}
    public static String write(Map<String, ?> value) {
        return WITH_NULLS.toJson(value);
    }

    /// {@return the value indented, for people}
    public static String writePretty(Object value) {
        return JSONB.toJsonPretty(value);
    }
}
