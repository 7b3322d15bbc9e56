package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SerialConsoleTest {
    @TempDir
    Path folder;

    @Test
    void seesThatTheGuestIsReadyAmongOtherLines() throws IOException {
        SerialConsole console = said("debian login: DORMOUSE-READY\r\n");

        assertThatCode(console::awaitReady).doesNotThrowAnyException();
    }

    @Test
    void failsAtOnceWhenTheGuestSaysThatItFailed() throws IOException {
        SerialConsole console = said("DORMOUSE-FAILED\r\n");

        assertThatThrownBy(console::awaitReady)
                .isInstanceOf(ProbeException.class)
                .hasMessage(
                        "%s: the guest could not compile its sources; remove its directory in the cache to build it"
                                + " anew",
                        console.log());
    }

    private SerialConsole said(String text) throws IOException {
        return new SerialConsole(Files.writeString(folder.resolve("serial.log"), text));
    }
}
