package dev.dormouse.daemon;

import io.avaje.jsonb.Json;

/// When a VM is suspended because nobody needs it: it has no client at its fronts, and its guest has rested, both for
/// `afterSeconds`, and it has been awake for `awakeSeconds`.
///
/// @param afterSeconds 1 or more
/// @param cpuPercent up to how much of one processor QEMU may use for the guest to count as resting, 1 to 100
/// @param askGuest ask the guest's agent first; a guest that wants to stay awake, or cannot say, does
/// @param networkPackets up to how many packets a second the guest may send and receive to count as
///     resting, at most 10,000; 0 if its network is not looked at
/// @param awakeSeconds counted from when the daemon saw it awake; 0 or more
@Json
public record IdlePolicy(int afterSeconds, int cpuPercent, int networkPackets, int awakeSeconds, boolean askGuest) {
    static final int SECONDS_MAX = 31_536_000;

    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        require("idle", "afterSeconds", afterSeconds, 1, SECONDS_MAX);
        require("idle", "cpuPercent", cpuPercent, 1, 100);
        require("idle", "networkPackets", networkPackets, 0, 10_000);
        require("idle", "awakeSeconds", awakeSeconds, 0, SECONDS_MAX);
    }

    static void require(String of, String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(
                    "%s: '%s' is %d, %d to %d are allowed".formatted(of, name, value, min, max));
        }
    }
}
