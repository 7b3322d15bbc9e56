package dev.dormouse.restore;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/// A page for which the guest waited, for Java Flight Recorder.
@Name("dev.dormouse.Demand")
@Label("Demand")
@Description("A page for which the guest waited was placed")
@Category("Dormouse")
@StackTrace(false)
final class DemandEvent extends Event {
    @Label("Frame")
    long frame;

    @Label("Zero Page")
    boolean zero;

    @Label("Latency")
    @Description("From when the request was read until the page was placed")
    @Timespan(Timespan.NANOSECONDS)
    long latency;

    static void record(long frame, boolean zero, long latencyNanos) {
        var event = new DemandEvent();
        if (event.isEnabled()) {
            event.frame = frame;
            event.zero = zero;
            event.latency = latencyNanos;
            event.commit();
        }
    }
}
