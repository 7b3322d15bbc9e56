package dev.dormouse.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MapReaderTest {
    private static final String EXTENT =
            "{ \"start\": 4096, \"length\": 512, \"depth\": 1, \"present\": true, \"zero\": false, \"data\": true, \"offset\": 9}";

    @Test
    void readsExtentsOneByOne() throws IOException {
        MapReader map = reader("[" + EXTENT + ",\n{\"depth\":0,\"zero\":true,\"length\":7,\"start\":0}]\n");

        assertThat(map.nextExtent()).isTrue();
        assertThat(map.start()).isEqualTo(4096);
        assertThat(map.length()).isEqualTo(512);
        assertThat(map.depth()).isEqualTo(1);
        assertThat(map.offset()).isEqualTo(9);
        assertThat(map.isData()).isTrue();
        assertThat(map.nextExtent()).isTrue();
        assertThat(map.isZero()).isTrue();
        assertThat(map.isData()).isFalse();
        assertThat(map.offset()).isEqualTo(-1);
        assertThat(map.nextExtent()).isFalse();
    }

    @Test
    void leavesOutWhatLaterVersionsAdd() throws IOException {
        MapReader map = reader(
                "[{\"start\":1,\"colour\":\"a \\\"}] b\",\"odd\":null,\"more\":12,\"compressed\":true,\"length\":2,\"depth\":3}]");

        assertThat(map.nextExtent()).isTrue();
        assertThat(map.depth()).isEqualTo(3);
        assertThat(map.nextExtent()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            x                                         | 'x' in place of '['
            [{"start":1}]                             | an extent without start, length or depth
            [{"start":99999999999999999999}]          | a number beyond 2^63
            [{"start":maybe}]                         | a value 'maybe'
            [{"start":-1}]                            | a value ''
            [{"start":1 2}]                           | '2' in place of '}'
            """)
    void refusesWhatIsNotAMap(String text, String found) {
        assertThatThrownBy(() -> reader(text).nextExtent())
                .isInstanceOf(DiskException.class)
                .hasMessage("qemu-img map: printed " + found + ", a JSON array of extents is expected");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 10, 17, 40, 60, 90, 107, 108})
    void noticesAnEarlyEnd(int length) {
        String text = ("[" + EXTENT).substring(0, Math.min(length, EXTENT.length() + 1));

        assertThatThrownBy(() -> {
                    MapReader map = reader(text);
                    while (map.nextExtent()) {
                        assertThat(map.length()).isEqualTo(512);
                    }
                })
                .isInstanceOf(EOFException.class);
    }

    private static MapReader reader(String text) throws IOException {
        return new MapReader(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }
}
