package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.util.List;
import org.junit.jupiter.api.Test;

class RestoreReportTest {
    private static final String OLD = """
            {"nonZeroPages": 500, "demandedPages": 20, "demandedZeroPages": 1, "prefetchedPages": 480, "pagesBeforeRun": 3,
             "pagesWritten": 0, "recoveredPages": 0, "storedBytes": 2048000, "duplicateBytes": 0, "onDiskBytes": 0,
             "demandMicrosP50": 120, "demandMicrosP99": 900, "demandMicrosMax": 950, "blockedMillis": 4, "auditMillis": 1,
             "pagesPlacedAgain": 0, "workingSetPages": 0, "placement": ["direct"], "placementReason": ""}""";

    @Test
    void oneOfBeforeItHadAnEstimateAndCountsIsStillRead() {
        RestoreReport report = Json.parse(RestoreReport.class, OLD);

        assertThat(report.demandMicrosP99()).isEqualTo(900);
        assertThat(report.responsiveMillisEstimate()).isNull();
        assertThat(report.demandLatencies()).isEmpty();
    }

    @Test
    void comesBackAsItWasWritten() {
        RestoreReport old = Json.parse(RestoreReport.class, OLD);
        RestoreReport report = old.withResponsiveMillisEstimate(321L);

        assertThat(Json.parse(RestoreReport.class, Json.write(report))).isEqualTo(report);
        assertThat(report.withResponsiveMillisEstimate(null)).isEqualTo(old);
        assertThat(Json.write(report)).contains("\"responsiveMillisEstimate\":321");
        assertThat(Json.write(old)).doesNotContain("responsiveMillisEstimate");
    }

    @Test
    void itsCountsAreShortAndTellTheirBounds() {
        var latency = new DemandLatency();
        for (long nanos : new long[] {0, 50_000, 50_001, 10_000_000_000L, 10_000_000_001L}) {
            latency.record(nanos);
        }

        assertThat(latency.demandCounts())
                .containsExactly(
                        new RestoreReport.DemandCount(50L, 2),
                        new RestoreReport.DemandCount(100L, 1),
                        new RestoreReport.DemandCount(10_000_000L, 1),
                        new RestoreReport.DemandCount(null, 1));
        assertThat(Json.write(latency.demandCounts().getLast())).isEqualTo("{\"demands\":1}");
        assertThat(new DemandLatency().demandCounts()).isEqualTo(List.of());
    }
}
