package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class QemuScopeTest {
    private static final String UNIT = "dormouse-vms.target";

    @Test
    void isMadeOnlyWhereTheUnitAsksForIt() {
        assertThat(QemuScope.prefix(Map.of("MANAGERPID", "7"), "web")).isEmpty();
        assertThat(QemuScope.prefix(Map.of("DORMOUSE_UNIT", UNIT, "MANAGERPID", "7", "USER", "ada"), "web"))
                .containsExactly(
                        "systemd-run",
                        "--scope",
                        "--quiet",
                        "--collect",
                        "--user",
                        "--description=Dormouse VM web",
                        "--property=Before=dormouse-vms.target",
                        "--");
    }

    @Test
    void belongsToTheManagerThatHasStartedTheDaemon() {
        assertThat(QemuScope.prefix(Map.of("DORMOUSE_UNIT", UNIT, "MANAGERPID", "7", "USER", "root"), "web"))
                .contains("--user");
        assertThat(QemuScope.prefix(Map.of("DORMOUSE_UNIT", UNIT), "web"))
                .isNotEmpty()
                .doesNotContain("--user");
    }

    @Test
    void isNotMadeInAServiceOfTheSystemThatRunsAsAnotherUser() {
        assertThat(QemuScope.prefix(Map.of("DORMOUSE_UNIT", UNIT, "USER", "ada"), "web"))
                .isEmpty();
    }
}
