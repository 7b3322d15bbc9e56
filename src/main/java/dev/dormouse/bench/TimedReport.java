package dev.dormouse.bench;

/// A report and when it arrived, by [System#nanoTime] of this host.
public record TimedReport(long arrivalNanos, RateReport report) {}
