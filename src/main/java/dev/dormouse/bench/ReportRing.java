package dev.dormouse.bench;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/// The newest reports, a bounded number of them. Written by the reader of the rate port, read by anyone.
final class ReportRing {
    private final int capacity;
    private final Deque<TimedReport> reports = new ArrayDeque<>();

    ReportRing(int capacity) {
        this.capacity = capacity;
    }

    synchronized void add(TimedReport report) {
        if (reports.size() == capacity) {
            reports.removeFirst();
        }
        reports.addLast(report);
    }

    /// {@return the reports that arrived at or after the time, oldest first}
    synchronized List<TimedReport> since(long arrivalNanos) {
        List<TimedReport> found = new ArrayList<>();
        for (TimedReport report : reports) {
            if (report.arrivalNanos() - arrivalNanos >= 0) {
                found.add(report);
            }
        }
        return found;
    }
}
