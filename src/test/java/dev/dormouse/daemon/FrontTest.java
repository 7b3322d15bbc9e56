package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FrontTest {
    @ParameterizedTest
    @CsvSource({
        "5901=vnc, vnc, 5901, vnc",
        "0.0.0.0:2222=22, port-2222, 0.0.0.0:2222, guest:22",
        "8080=guest:80, port-8080, 8080, guest:80",
        "127.0.0.1:3389=10.0.0.7:3389, port-3389, 127.0.0.1:3389, 10.0.0.7:3389",
    })
    void isReadFromOneWord(String text, String name, String listen, String target) {
        assertThat(Front.parse(text)).isEqualTo(new Front(name, listen, target));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "vnc | front 'vnc': use LISTEN=TARGET, as in 5901=vnc or 127.0.0.1:2222=22",
                "70000=vnc | '70000': not an address, use HOST:PORT or PORT",
                "x y:1=vnc | 'x y:1': not an address, use HOST:PORT or PORT",
                "5901=screen | front port-5901: its target is 'screen', use vnc, guest:PORT or HOST:PORT",
            })
    void refusesWhatIsNone(String line) {
        String[] parts = line.split(" \\| ");
        assertThatThrownBy(() -> Front.parse(parts[0]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(parts[1]);
    }

    @Test
    void withoutAHostItListensOnTheLoopback() {
        assertThat(Front.parse("5901=vnc").address().getAddress().isLoopbackAddress())
                .isTrue();
    }

    @Test
    void anAddressThatNobodyKnowsIsAnErrorAsOneThatIsTaken() {
        var front = new Front("vnc", "nobody.invalid:1", "vnc");

        assertThatThrownBy(() -> new FrontPort(
                                "web", front, () -> front.address(), null, new Activity(), new ClientLimit(1), _ -> {})
                        .listen())
                .isInstanceOf(java.io.IOException.class)
                .hasMessage(
                        "vm web: its front vnc cannot listen at nobody.invalid:1: 'nobody.invalid:1': nobody knows this host");
    }
}
