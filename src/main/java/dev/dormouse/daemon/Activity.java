package dev.dormouse.daemon;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Which VMs have clients at their fronts, when the last one went, and since when VMs were seen awake. Any thread.
final class Activity {
    /// @param lastNanos when a client last came or went
    private record Clients(int count, long lastNanos) {}

    /// @param pid of the QEMU; another one is another life
    private record Life(long pid, long sinceNanos) {}

    private final Map<String, Clients> vms = new ConcurrentHashMap<>();
    private final Map<String, Life> lives = new ConcurrentHashMap<>();

    /// A client of a VM, from when it came. While it may have gone it does not count. Any thread.
    final class Client {
        private final String vm;
        private boolean counts; // Guarded by this, as is what follows.
        private boolean stays;

        private Client(String vm) {
            this.vm = vm;
            count(true);
        }

        private synchronized void count(boolean now) {
            if (now != counts) {
                counts = now;
                add(vm, now ? 1 : -1);
            }
        }

        /// It may have gone, before it was served.
        synchronized void mayHaveGone() {
            if (!stays) {
                count(false);
            }
        }

        /// It is about to be served, and counts until it has gone.
        ///
        /// @return whether it did not count before, so that something may have been done with the VM meanwhile
        synchronized boolean stay() {
            boolean back = !counts;
            stays = true;
            count(true);
            return back;
        }

        void gone() {
            count(false);
        }
    }

    /// {@return a client that has come}
    Client come(String vm) {
        return new Client(vm);
    }

    private void add(String vm, int change) {
        vms.compute(vm, (_, now) -> new Clients((now == null ? 0 : now.count) + change, System.nanoTime()));
    }

    /// Forgets VMs that are gone.
    void retain(Collection<String> names) {
        vms.entrySet().removeIf(vm -> vm.getValue().count == 0 && !names.contains(vm.getKey()));
        lives.keySet().retainAll(names);
    }

    /// {@return for how long a VM is awake that is so now, as far as somebody has asked before}
    ///
    /// @param pid of its QEMU
    long awakeNanos(String vm, long pid, long nowNanos) {
        Life life =
                lives.compute(vm, (_, known) -> known != null && known.pid == pid ? known : new Life(pid, nowNanos));
        return nowNanos - life.sinceNanos;
    }

    /// {@return how many there are of all VMs}
    int clients() {
        return vms.values().stream().mapToInt(Clients::count).sum();
    }

    int clients(String vm) {
        Clients now = vms.get(vm);
        return now == null ? 0 : now.count;
    }

    /// {@return whether one has come since the daemon's start}
    boolean knows(String vm) {
        return vms.containsKey(vm);
    }

    /// {@return when a client last came or went, by [System#nanoTime]; `never` if none has}
    long lastNanos(String vm, long never) {
        Clients now = vms.get(vm);
        return now == null ? never : now.lastNanos;
    }
}
