package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class QemuScopeTest {
    @Test
    void isMadeOnlyWhereTheUnitAsksForIt() {
        assertThat(QemuScope.prefix(Map.of(), "web")).isEmpty();
        assertThat(QemuScope.prefix(
                        Map.of("DORMOUSE_UNIT", "dormouse.service", "XDG_RUNTIME_DIR", "/run/user/1"), "web"))
                .containsExactly(
                        "systemd-run",
                        "--scope",
                        "--quiet",
                        "--collect",
                        "--user",
                        "--description=Dormouse VM web",
                        "--property=Before=dormouse.service",
                        "--");
        assertThat(QemuScope.prefix(Map.of("DORMOUSE_UNIT", "dormouse.service", "USER", "root"), "web"))
                .doesNotContain("--user");
    }
}
