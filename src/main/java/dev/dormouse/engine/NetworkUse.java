package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpException;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// How many packets the network cards of a guest have sent and received, as the queues of its virtio devices
/// count them (QMP `x-query-virtio-queue-status`, from QEMU 7.2 on): nothing in the guest is needed, and its
/// memory is not touched.
///
/// @param used the number of buffers used by now, modulo 65536, of each queue by its device and number
public record NetworkUse(Map<String, Integer> used) {
    private static final Duration CONNECT_TIMEOUT = Duration.ofMillis(500);
    private static final Duration TIMEOUT = Duration.ofSeconds(1);
    private static final int QUEUES_MAX = 16;
    private static final int COUNTER_MASK = 0xffff;

    public NetworkUse {
        used = Map.copyOf(used);
    }

    /// {@return how many packets there were in between; those that came 65536 at a time are not seen}
    public long packetsSince(NetworkUse before) {
        return used.entrySet().stream()
                .mapToLong(queue ->
                        (queue.getValue() - before.used.getOrDefault(queue.getKey(), queue.getValue())) & COUNTER_MASK)
                .sum();
    }

    /// {@return that of a running VM, without any queue if it has no virtio network card; empty if QEMU cannot say}
    static Optional<NetworkUse> of(Vm vm, QemuProcess qemu) {
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmpOutOfBand(), CONNECT_TIMEOUT, qemu)) {
            var used = new HashMap<String, Integer>();
            for (Map<String, Object> device : qmp.executeForList("x-query-virtio", Map.of(), TIMEOUT)) {
                if ("virtio-net".equals(device.get("name")) && device.get("path") instanceof String path) {
                    addQueues(qmp, path, used);
                }
            }
            return Optional.of(new NetworkUse(used));
        } catch (IOException _) {
            return Optional.empty(); // Somebody else is talking to QEMU, or it is ending.
        }
    }

    private static void addQueues(QmpClient qmp, String path, Map<String, Integer> used) throws IOException {
        for (int queue = 0; queue < QUEUES_MAX; queue++) {
            Map<String, Object> status;
            try {
                status = qmp.execute("x-query-virtio-queue-status", Map.of("path", path, "queue", queue), TIMEOUT);
            } catch (QmpException _) {
                return; // It has no more.
            }
            if (status.get("used-idx") instanceof Number count) {
                used.put(path + " " + queue, count.intValue());
            }
        }
    }
}
