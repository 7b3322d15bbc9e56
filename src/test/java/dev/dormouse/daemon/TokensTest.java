package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokensTest {
    @TempDir
    Path folder;

    private Tokens tokens;

    @BeforeEach
    void open() throws IOException {
        tokens = new Tokens(Home.at(folder, null));
    }

    @Test
    void thoseMadeAtTheSameTimeAllCount() throws Exception {
        var made = ConcurrentHashMap.<String>newKeySet();
        var makers = new ArrayList<CompletableFuture<Void>>();
        for (int i = 0; i < 4; i++) {
            String name = "t" + i;
            makers.add(CompletableFuture.runAsync(() -> made.add(create(name))));
        }
        makers.forEach(CompletableFuture::join);

        assertThat(tokens.list()).hasSize(4);
        for (String text : made) {
            assertThat(tokens.caller(text)).isPresent();
        }
        assertThat(tokens.remove("t0")).isTrue();
        assertThat(made.stream().filter(this::isKnown)).hasSize(3);
    }

    @Test
    void oneForSomeVmsSeesNoOthers() throws Exception {
        Caller caller = tokens.caller(tokens.create("ada", "operator", List.of("ada-*", "shared")))
                .orElseThrow();

        assertThat(caller.sees("ada-1")).isTrue();
        assertThat(caller.sees("shared")).isTrue();
        assertThat(caller.sees("shared2")).isFalse();
        assertThat(caller.sees("bob-1")).isFalse();
        assertThat(caller.seesAll()).isFalse();
        assertThatThrownBy(() -> tokens.create("eve", "viewer", List.of("*x")))
                .hasMessage("token eve: '*x' is not the name of a VM, nor its begin with '*' behind");
    }

    private String create(String name) {
        try {
            return tokens.create(name, "viewer");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private boolean isKnown(String text) {
        try {
            return tokens.caller(text).isPresent();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
