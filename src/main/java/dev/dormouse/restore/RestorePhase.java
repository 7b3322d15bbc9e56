package dev.dormouse.restore;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A part of a restore, for Java Flight Recorder: where the time between a request and the running guest goes.
@Name("dev.dormouse.RestorePhase")
@Label("Restore Phase")
@Description("A part of a restore")
@Category("Dormouse")
@StackTrace(false)
public final class RestorePhase extends Event implements AutoCloseable {
    @Label("Phase")
    private final String phase;

    private RestorePhase(String phase) {
        this.phase = phase;
    }

    /// Begins a phase, which ends when this is closed.
    public static RestorePhase begin(String name) {
        var phase = new RestorePhase(name);
        phase.begin();
        return phase;
    }

    @Override
    public void close() {
        commit();
    }

    @Override
    public String toString() {
        return phase;
    }
}
