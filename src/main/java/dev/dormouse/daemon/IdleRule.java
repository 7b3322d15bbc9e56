package dev.dormouse.daemon;

import java.util.concurrent.TimeUnit;

/// Decides whether one VM is idle, from what is seen of it again and again. One thread.
final class IdleRule {
    private final IdlePolicy policy;
    private final long pid;
    private final long awakeSinceNanos;
    private long restingSinceNanos;
    private long lookedNanos;
    private long cpuNanos;

    /// @param pid of its QEMU; another QEMU is another life, and another rule
    /// @param cpuNanos processor time that QEMU has used by now
    IdleRule(IdlePolicy policy, long pid, long cpuNanos, long nowNanos) {
        this.policy = policy;
        this.pid = pid;
        this.cpuNanos = cpuNanos;
        awakeSinceNanos = nowNanos;
        restingSinceNanos = nowNanos;
        lookedNanos = nowNanos;
    }

    boolean isOf(IdlePolicy otherPolicy, long otherPid) {
        return policy.equals(otherPolicy) && pid == otherPid;
    }

    /// @param clients how many there are
    /// @param clientNanos when one last came or went
    /// @return whether the VM is to be suspended
    boolean look(long nowCpuNanos, int clients, long clientNanos, long nowNanos) {
        long elapsed = nowNanos - lookedNanos;
        if ((nowCpuNanos - cpuNanos) * 100 > elapsed * policy.cpuPercent() || clients > 0) {
            restingSinceNanos = nowNanos;
        }
        cpuNanos = nowCpuNanos;
        lookedNanos = nowNanos;
        long idleSince = clientNanos - restingSinceNanos > 0 ? clientNanos : restingSinceNanos;
        return nowNanos - idleSince >= TimeUnit.SECONDS.toNanos(policy.afterSeconds())
                && nowNanos - awakeSinceNanos >= TimeUnit.SECONDS.toNanos(policy.awakeSeconds());
    }

    /// It was tried, and is to be tried again only when it has rested as long again.
    void tried(long nowNanos) {
        restingSinceNanos = nowNanos;
    }
}
