package dev.dormouse.base;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class JsonTest {
    @Test
    void readsBackTheTreeThatItWrote() {
        Map<String, Object> tree = Map.of("a", List.of(1L, "x", true), "b", Map.of("c", 1L << 40));

        assertThat(Json.parseObject(Json.write(tree))).isEqualTo(tree);
    }
}
