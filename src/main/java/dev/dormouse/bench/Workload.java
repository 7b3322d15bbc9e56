package dev.dormouse.bench;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;

/// What runs in the guest whose state [RestoreBench] saves and restores. It goes on after each restore, and the probe
/// reports how fast.
interface Workload {
    /// {@return the name in options, samples and reports}
    String text();

    /// {@return what every line of samples says of it}
    Map<String, Object> facts();

    /// {@return the guest that it runs in, built first if it has not been}
    GuestImage guest() throws IOException, InterruptedException;

    /// {@return what to ask the engine for}
    VmRequest request(GuestImage guest);

    /// Brings the started guest to the state that is saved, and leaves it at work.
    ///
    /// @return the name of what the probe counts from then on
    String begin(GuestProbe probe) throws IOException, InterruptedException;

    /// {@return about how long that takes}
    Duration beginEstimate();

    /// {@return how long the undisturbed guest is watched}
    int observedSeconds();

    /// Fails unless the memory of the restored guest is intact, where the guest can tell.
    void verify(GuestProbe probe) throws IOException, InterruptedException;

    /// {@return whether the guest can tell}
    default boolean isVerified() {
        return true;
    }
}
