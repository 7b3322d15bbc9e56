package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.daemon.RestoreSlots.Urgency;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class RestoreSlotsTest {
    private final AtomicLong nanos = new AtomicLong();
    private final RestoreSlots slots = new RestoreSlots(1, nanos::get);
    private final Map<Operation, RestoreSlots.Turn> turns = new ConcurrentHashMap<>();

    private static Operation operation(String id) {
        return new Operation(id, Operation.Kind.RESUME, "vm" + id, new Events(), _ -> {});
    }

    private CompletableFuture<Void> acquire(Operation operation) {
        return acquire(operation, Urgency.NONE, Priority.NORMAL);
    }

    private CompletableFuture<Void> acquire(Operation operation, Urgency urgency, Priority priority) {
        return CompletableFuture.runAsync(
                () -> {
                    try {
                        turns.put(operation, slots.acquire(operation, urgency, priority));
                        operation.begun();
                    } catch (ApiException e) {
                        throw new IllegalStateException(e);
                    }
                },
                command -> Thread.ofVirtual().start(command));
    }

    private void release(Operation operation) {
        slots.release(turns.remove(operation), true);
    }

    private static void awaitPosition(Operation operation, int position) throws InterruptedException {
        while (!Integer.valueOf(position).equals(operation.view().position())) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    @Test
    void thoseThatWaitGoInTheirOrderAndKnowTheirPlace() throws Exception {
        Operation first = operation("1");
        Operation second = operation("2");
        Operation third = operation("3");
        acquire(first).join();
        CompletableFuture<Void> secondBegins = acquire(second);
        awaitPosition(second, 1);
        CompletableFuture<Void> thirdBegins = acquire(third);
        awaitPosition(third, 2);

        assertThat(third.view().startsInSeconds()).as("nobody knows").isNull();
        nanos.set(2_500_000_000L);
        release(first);

        secondBegins.join();
        awaitPosition(third, 1);
        assertThat(third.view().startsInSeconds()).isEqualTo(3);
        assertThat(thirdBegins).isNotDone();
        release(second);
        thirdBegins.join();
    }

    @Test
    void higherPrioritiesGoFirstAndThenThoseForWhichAClientWaits() throws Exception {
        Operation first = operation("first");
        acquire(first).join();
        Operation low = operation("low");
        Operation normal = operation("normal");
        Operation client = operation("client");
        Operation high = operation("high");
        CompletableFuture<Void> lowBegins = acquire(low, Urgency.CLIENT, Priority.LOW);
        awaitPosition(low, 1);
        CompletableFuture<Void> normalBegins = acquire(normal);
        awaitPosition(normal, 1);
        awaitPosition(low, 2);
        CompletableFuture<Void> clientBegins = acquire(client, Urgency.CLIENT, Priority.NORMAL);
        awaitPosition(client, 1);
        CompletableFuture<Void> highBegins = acquire(high, Urgency.NONE, Priority.HIGH);
        awaitPosition(high, 1);
        awaitPosition(client, 2);
        awaitPosition(normal, 3);
        awaitPosition(low, 4);

        release(first);
        highBegins.join();
        release(high);
        clientBegins.join();
        release(client);
        normalBegins.join();
        awaitPosition(low, 1);
        release(normal);
        lowBegins.join();
    }

    @Test
    void oneForWhichAClientComesGoesBeforeOthersOfItsPriority() throws Exception {
        Operation first = operation("first");
        acquire(first).join();
        Operation second = operation("second");
        CompletableFuture<Void> secondBegins = acquire(second);
        awaitPosition(second, 1);
        Operation third = operation("third");
        CompletableFuture<Void> thirdBegins = acquire(third);
        awaitPosition(third, 2);

        slots.raise(third, Urgency.CLIENT);

        awaitPosition(second, 2);
        release(first);
        thirdBegins.join();
        assertThat(secondBegins).isNotDone();
        release(third);
        secondBegins.join();
    }

    @Test
    void oneThatIsCancelledLeavesTheQueue() throws Exception {
        Operation second = operation("2");
        Operation third = operation("3");
        Operation first = operation("1");
        acquire(first).join();
        CompletableFuture<Void> secondBegins = acquire(second);
        awaitPosition(second, 1);
        CompletableFuture<Void> thirdBegins = acquire(third);
        awaitPosition(third, 2);

        second.cancel();

        assertThatThrownBy(secondBegins::join).hasRootCauseMessage("vm vm2: cancelled, it is as it was");
        awaitPosition(third, 1);
        release(first);
        thirdBegins.join();
    }

    @Test
    void aGuestThatWaitsForItsPagesWaitsForNoPlace() throws Exception {
        slots.acquire(operation("1"), Urgency.NONE, Priority.NORMAL);
        slots.acquire(operation("2"), Urgency.GUEST, Priority.LOW);
    }
}
