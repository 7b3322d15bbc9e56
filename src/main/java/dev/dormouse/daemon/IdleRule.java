package dev.dormouse.daemon;

import dev.dormouse.engine.NetworkUse;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Decides whether one VM is idle, from what is seen of it again and again. One thread.
final class IdleRule {
    /// QEMU has to be asked for it, which costs more than a look at a file.
    private static final int NETWORK_SECONDS = 5;

    private final IdlePolicy policy;
    private final long pid;
    private long restingSinceNanos;
    private long lookedNanos;
    private long cpuNanos;
    private @Nullable NetworkUse network; // Null while the guest works: what it sends then does not matter.
    private long networkNanos;
    private long askedNanos;
    private boolean networkRests;

    /// @param pid of its QEMU; another QEMU is another life, and another rule
    /// @param cpuNanos processor time that QEMU has used by now
    IdleRule(IdlePolicy policy, long pid, long cpuNanos, long nowNanos) {
        this.policy = policy;
        this.pid = pid;
        this.cpuNanos = cpuNanos;
        restingSinceNanos = nowNanos;
        lookedNanos = nowNanos;
        askedNanos = nowNanos - TimeUnit.SECONDS.toNanos(NETWORK_SECONDS);
    }

    boolean isOf(IdlePolicy otherPolicy, long otherPid) {
        return policy.equals(otherPolicy) && pid == otherPid;
    }

    /// @param nowNetwork asked for now and then, while all else rests; empty while nobody can tell
    /// @param clients how many there are
    /// @param clientNanos when one last came or went
    /// @param awakeNanos for how long it is awake
    /// @return whether the VM is to be suspended
    boolean look(
            long nowCpuNanos,
            Supplier<Optional<NetworkUse>> nowNetwork,
            int clients,
            long clientNanos,
            long awakeNanos,
            long nowNanos) {
        long elapsed = nowNanos - lookedNanos;
        if ((nowCpuNanos - cpuNanos) * 100 > elapsed * policy.cpuPercent() || clients > 0) {
            works(nowNanos);
        } else if (policy.networkPackets() > 0) {
            lookAtNetwork(nowNetwork, nowNanos);
        }
        cpuNanos = nowCpuNanos;
        lookedNanos = nowNanos;
        long idleSince = clientNanos - restingSinceNanos > 0 ? clientNanos : restingSinceNanos;
        return nowNanos - idleSince >= TimeUnit.SECONDS.toNanos(policy.afterSeconds())
                && awakeNanos >= TimeUnit.SECONDS.toNanos(policy.awakeSeconds())
                && (policy.networkPackets() == 0 || networkRests);
    }

    private void works(long nowNanos) {
        restingSinceNanos = nowNanos;
        network = null;
        networkRests = false;
    }

    private void lookAtNetwork(Supplier<Optional<NetworkUse>> nowNetwork, long nowNanos) {
        if (nowNanos - askedNanos < TimeUnit.SECONDS.toNanos(Math.min(NETWORK_SECONDS, policy.afterSeconds()))) {
            return;
        }
        askedNanos = nowNanos;
        NetworkUse now = nowNetwork.get().orElse(null);
        if (now == null) {
            return; // Nobody can tell just now, so nothing has changed.
        }
        NetworkUse before = network;
        if (before != null) {
            long elapsed = nowNanos - networkNanos;
            networkRests = now.packetsSince(before) * 1e9 <= (double) policy.networkPackets() * elapsed;
            if (!networkRests) {
                restingSinceNanos = nowNanos;
            }
        }
        network = now;
        networkNanos = nowNanos;
    }

    /// It was tried, and is to be tried again only when it has rested as long again.
    void tried(long nowNanos) {
        restingSinceNanos = nowNanos;
    }
}
