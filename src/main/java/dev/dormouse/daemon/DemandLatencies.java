package dev.dormouse.daemon;

import dev.dormouse.restore.RestoreReport;
import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.List;
import java.util.Map;

/// How long guests waited for the pages that they demanded, as a histogram of all demands for Prometheus. Each
/// restore has counted its own; they are added up when it ends. Any thread.
final class DemandLatencies implements Collector {
    private static final String NAME = "dormouse_resume_demand_latency_seconds";
    private static final List<Long> BOUNDS = RestoreReport.DEMAND_MICROS_MAX;

    private final double[] upperSeconds = new double[BOUNDS.size() + 1];
    private final long[] counts = new long[BOUNDS.size() + 1]; // Guarded by this, as is the sum.
    private long sumMillis;

    DemandLatencies() {
        for (int i = 0; i < BOUNDS.size(); i++) {
            upperSeconds[i] = BOUNDS.get(i) / 1e6;
        }
        upperSeconds[BOUNDS.size()] = Double.POSITIVE_INFINITY;
    }

    /// Adds the demands of a restore.
    ///
    /// @param report the members of a [RestoreReport]
    synchronized void count(Map<?, ?> report) {
        if (report.get("demandLatencies") instanceof List<?> latencies) {
            latencies.forEach(this::countDemands);
        }
        if (report.get("blockedMillis") instanceof Number millis) {
            sumMillis += millis.longValue();
        }
    }

    private synchronized void countDemands(Object latency) {
        if (latency instanceof Map<?, ?> facts && facts.get("demands") instanceof Number demands) {
            int index = facts.get("microsMax") instanceof Number micros
                    ? BOUNDS.indexOf(micros.longValue())
                    : BOUNDS.size();
            counts[index < 0 ? BOUNDS.size() : index] += demands.longValue();
        }
    }

    @Override
    public synchronized MetricSnapshot collect() {
        return HistogramSnapshot.builder()
                .name(NAME)
                .help("From when a demand of a guest was read until its page was placed.")
                .unit(Unit.SECONDS)
                .dataPoint(HistogramDataPointSnapshot.builder()
                        .classicHistogramBuckets(ClassicHistogramBuckets.of(upperSeconds, counts.clone()))
                        .sum(sumMillis / 1e3)
                        .build())
                .build();
    }
}
