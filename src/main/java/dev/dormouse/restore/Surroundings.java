package dev.dormouse.restore;

import java.util.function.LongSupplier;

/// What is around a restore.
///
/// @param clock in nanoseconds, from any start
/// @param budget what it shares with the other restores of the process
/// @param load how busy the guest is
record Surroundings(LongSupplier clock, HostBudget budget, GuestLoad load) {
    static Surroundings of(long qemuPid) {
        return new Surroundings(System::nanoTime, HostBudget.SHARED, GuestLoad.fromNow(qemuPid));
    }
}
