package dev.dormouse.restore;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A batch of pages for which nobody waited, for Java Flight Recorder.
@Name("dev.dormouse.Background")
@Label("Background Batch")
@Description("Pages were placed that nobody had asked for")
@Category("Dormouse")
@StackTrace(false)
final class BackgroundEvent extends Event {
    @Label("Pages")
    int pages;

    static BackgroundEvent started() {
        var event = new BackgroundEvent();
        event.begin();
        return event;
    }

    void end(int placedPages) {
        if (placedPages > 0) {
            pages = placedPages;
            commit();
        }
    }
}
