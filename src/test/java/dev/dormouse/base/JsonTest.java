package dev.dormouse.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

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
