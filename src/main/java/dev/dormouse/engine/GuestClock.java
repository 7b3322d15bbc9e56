package dev.dormouse.engine;

import dev.dormouse.qmp.GuestAgent;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicBoolean;

/// Sets the clock of a guest that was put away, through its agent: it stood still meanwhile. On a thread of
/// its own, because the agent's pages have to be served first, and a guest without an agent never answers.
final class GuestClock {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private final Vm vm;
    private final boolean wanted;
    private final OperationListener listener;
    private final AtomicBoolean begun = new AtomicBoolean();

    GuestClock(Vm vm, VmConfig config, OperationListener listener) {
        this.vm = vm;
        this.wanted = config.guestAgent();
        this.listener = listener;
    }

    /// Begins, once, when the guest runs; does not wait.
    void guestRuns() {
        if (wanted && begun.compareAndSet(false, true)) {
            Thread.ofPlatform().daemon().name("guest-clock").start(this::set);
        }
    }

    private void set() {
        try (var agent = new GuestAgent(vm.sockets().guestAgent(), PATIENCE)) {
            agent.synchronize();
            agent.setTime(Instant.now());
            listener.step("the guest's clock is set");
        } catch (IOException e) {
            listener.step("the guest's clock is not set: " + ErrorText.of(e));
        }
    }
}
