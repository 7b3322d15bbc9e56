package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;

class QemuVersionTest {
    @Test
    void readsTheCommandLineAndTheReplyAlike() throws IOException {
        QemuVersion printed = QemuVersion.ofCommandLine("QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright (c)\n");
        QemuVersion replied = QemuVersion.ofReply(
                Map.of("qemu", Map.of("major", 7L, "minor", 2L, "micro", 22L), "package", "Debian 1:7.2"));

        assertThat(printed).isEqualTo(replied).hasToString("7.2.22 (Debian 1:7.2)");
    }

    @Test
    void ordersByNumbers() {
        var version = new QemuVersion(10, 0, 2, "10.0.2");

        assertThat(version.atLeast(8, 2)).isTrue();
        assertThat(version.atLeast(10, 0)).isTrue();
        assertThat(version.atLeast(10, 0, 10)).isFalse();
        assertThat(version.atLeast(10, 1)).isFalse();
    }

    @Test
    void refusesWhatHoldsNoVersion() {
        assertThatThrownBy(() -> QemuVersion.ofCommandLine("bash: no such file\n"))
                .hasMessage("QEMU: '--version' printed no version but: bash: no such file");
        assertThatThrownBy(
                        () -> QemuVersion.ofReply(Map.of("qemu", Map.of("major", 1L << 40, "minor", 2L, "micro", 2L))))
                .hasMessageStartingWith("QEMU: 'query-version' returned no version but: {qemu={");
    }
}
