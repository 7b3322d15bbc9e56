package dev.dormouse.engine;

import dev.dormouse.restore.RestoreListener;

/// Follows an operation of the engine. Called in the operation's thread; must return quickly.
public interface OperationListener extends RestoreListener {
    /// Does nothing.
    OperationListener NONE = new OperationListener() {};

    /// Memory was captured.
    default void captured(long bytes, long totalBytes) {}

    /// The guest runs again; what follows happens behind it.
    default void running() {}

    /// Of a resume: whether it carries on with a restore that another process had begun and whose guest ran. One that
    /// turns out to have to start over after all says so by another call.
    default void carriesOn(boolean recovers) {}

    /// {@return whether it writes down itself what the operation comes to}
    default boolean isRecording() {
        return false;
    }

    /// An operation entered another of its steps.
    default void step(String what) {}
}
