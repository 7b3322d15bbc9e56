package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.bench.DemoReport;
import java.util.List;
import org.junit.jupiter.api.Test;

/// A demo whose guest was not as fast as before while it was watched.
class DemoReportTest {
    private static final DemoReport SLOW = new DemoReport(
            "7.2.22",
            "tcg",
            1L << 32,
            1L << 30,
            1L << 29,
            3000,
            100,
            400,
            null,
            4000,
            10,
            11,
            12,
            13,
            true,
            true,
            1e6,
            0.8,
            "stream",
            2000,
            1L << 30,
            4000,
            null,
            true,
            110,
            300,
            List.of(0.0, 1.0),
            List.of(0.5));

    @Test
    void isPrintedWithNulls() {
        assertThat(Json.writeWithNulls(SLOW))
                .contains("\"timeToResponsivenessMs\":null", "\"stockTimeToResponsivenessMs\":null");
    }

    @Test
    void isSaidInTheTable() {
        assertThat(DemoTable.of(SLOW).lines().filter(line -> line.startsWith("time to responsiveness")))
                .singleElement()
                .asString()
                .matches("time to responsiveness +not reached +not reached +");
    }
}
