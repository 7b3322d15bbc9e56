package dev.dormouse.restore;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A page that could not be served, for Java Flight Recorder.
@Name("dev.dormouse.Stall")
@Label("Stall")
@Description("A page could not be served; a retry follows")
@Category("Dormouse")
@StackTrace(false)
final class StallEvent extends Event {
    @Label("Reason")
    String reason = "";

    static void record(String reason) {
        var event = new StallEvent();
        event.reason = reason;
        event.commit();
    }
}
