package dev.dormouse.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @Test
    void readsBackTheTreeThatItWrote() {
        Map<String, Object> tree = Map.of("a", List.of(1L, "x", true), "b", Map.of("c", 1L << 40));

        assertThat(Json.parseObject(Json.write(tree))).isEqualTo(tree);
    }

    /// `backing: null` says that a disk node has none; left out, QEMU opens the one in the file's header.
    @Test
    void writesTheNullsOfAMapOfAnyDepth() {
        var inner = new java.util.LinkedHashMap<String, Object>();
        inner.put("backing", null);
        inner.put("count", 1);

        assertThat(Json.write(java.util.Map.of("arguments", inner)))
                .isEqualTo("{\"arguments\":{\"backing\":null,\"count\":1}}");
    }

    record Wish(String name, int count, @Nullable Long much, List<Wish> more) {}

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ | not JSON: there is '{' where a name in \"\" was to come (line 1, column 2)",
                "x | not JSON: there is 'x' where a value was to come (line 1, column 1)",
                "nullx | not JSON: there is 'nullx' where a value was to come (line 1, column 1)",
                "{\"count\": 01} | not JSON: there is '01' where a value was to come (line 1, column 11)",
                "{\"count\": 1 \"a\"} | not JSON: there is '\"' where a ',' or '}' was to come (line 1, column 13)",
                "{\"more\": [{} {}]} | not JSON: there is '{' where a ',' or ']' was to come (line 1, column 14)",
                "{\"name\": \"a | not JSON: the text ends where the end of a text was to come (line 1, column 12)",
                "{\"name\": \"\\x\"} | not JSON: there is 'x' where one of \" \\ / b f n r t u was to come (line 1, column 12)",
                "{\"name\": \"\\u12\"} | not JSON: there is '12' where a character as four hexadecimal digits was to come (line 1, column 13)",
                "{\"count\": 1, \"count\": 2} | 'count' is given twice (line 1, column 14)",
                "{\"count\": 1.5} | 'count' is 1.5, a whole number of 32 bits is wanted (line 1, column 11)",
                "{\"count\": null} | 'count' is null, a whole number of 32 bits is wanted (line 1, column 11)",
                "{\"much\": 9223372036854775808} | 'much' is 9223372036854775808, a whole number of 64 bits is wanted (line 1, column 10)",
                "{\"name\": [1]} | 'name' is an array, a text is wanted (line 1, column 10)",
                "{\"more\": {}} | 'more' is an object, an array is wanted (line 1, column 10)",
                "{\"more\": [null]} | 'more[0]' is null, leave it out (line 1, column 11)",
                "{\"more\": [{\"more\": [{\"nam\": 1}]}]} | 'more[0].more[0].nam' is not known here, known are: name, count, much, more (line 1, column 22)",
                "null | is null, an object is wanted (line 1, column 1)",
            })
    void saysOfTextThatPeopleWriteWhatIsWrongAndWhere(String line) {
        String[] parts = line.split(" \\| ");

        assertThatThrownBy(() -> JsonForm.check(Wish.class, parts[0]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(parts[1]);
    }

    @Test
    void countsLinesAndTakesAllThatJsonAllows() {
        assertThatThrownBy(() -> JsonForm.check(Wish.class, "{\r\n \"name\": \"a\",\n\n  \"count\": x}"))
                .hasMessage("not JSON: there is 'x' where a value was to come (line 4, column 12)");
        JsonForm.check(Wish.class, " {\"name\":null , \"much\":null,\"count\":-3,\"more\":[{}, { } ]}\n");
        assertThat(JsonText.read("\"\\u00e4\\n\\\"/\"")).isEqualTo(new JsonText.Text(0, "ä\n\"/"));
        assertThat(JsonText.read("[-0.5e+3,true]"))
                .isEqualTo(new JsonText.Items(
                        0, List.of(new JsonText.Digits(1, "-0.5e+3"), new JsonText.Word(9, "true"))));
    }

    @Test
    void refusesWhatIsNestedWithoutEndButNoBracketsInText() {
        String brackets = "[".repeat(1000);

        String text = "\"\\" + brackets;
        assertThat(Json.parseObject(Json.write(Map.of("a", text)))).containsEntry("a", text);
        assertThatThrownBy(() -> Json.parseObject("{\"a\":" + brackets))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("not JSON to be read: nested deeper than 200 levels");
    }
}
