package dev.dormouse.daemon;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// Which VMs have clients at their fronts, and when the last one went. Any thread.
final class Activity {
    /// @param lastNanos when a client last came or went
    private record Clients(int count, long lastNanos) {}

    private final Map<String, Clients> vms = new ConcurrentHashMap<>();

    void connected(String vm) {
        add(vm, 1);
    }

    void disconnected(String vm) {
        add(vm, -1);
    }

    private void add(String vm, int change) {
        vms.compute(vm, (_, now) -> new Clients((now == null ? 0 : now.count) + change, System.nanoTime()));
    }

    /// Forgets VMs that are gone.
    void retain(Collection<String> names) {
        vms.entrySet().removeIf(vm -> vm.getValue().count == 0 && !names.contains(vm.getKey()));
    }

    /// {@return how many there are of all VMs}
    int clients() {
        return vms.values().stream().mapToInt(Clients::count).sum();
    }

    int clients(String vm) {
        Clients now = vms.get(vm);
        return now == null ? 0 : now.count;
    }

    /// {@return when a client last came or went, by [System#nanoTime]; `never` if none has}
    long lastNanos(String vm, long never) {
        Clients now = vms.get(vm);
        return now == null ? never : now.lastNanos;
    }
}
