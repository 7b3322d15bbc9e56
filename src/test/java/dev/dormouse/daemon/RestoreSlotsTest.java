package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class RestoreSlotsTest {
    private final RestoreSlots slots = new RestoreSlots(1);

    private static Operation operation(String id) {
        return new Operation(id, Operation.Kind.RESUME, "vm" + id, new Events(), _ -> {});
    }

    private CompletableFuture<Void> acquire(Operation operation) {
        return CompletableFuture.runAsync(
                () -> {
                    try {
                        slots.acquire(operation, false);
                        operation.begun();
                    } catch (ApiException e) {
                        throw new IllegalStateException(e);
                    }
                },
                command -> Thread.ofVirtual().start(command));
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

        slots.release();

        secondBegins.join();
        awaitPosition(third, 1);
        assertThat(thirdBegins).isNotDone();
        slots.release();
        thirdBegins.join();
    }

    @Test
    void oneThatIsCancelledLeavesTheQueue() throws Exception {
        Operation second = operation("2");
        Operation third = operation("3");
        acquire(operation("1")).join();
        CompletableFuture<Void> secondBegins = acquire(second);
        awaitPosition(second, 1);
        CompletableFuture<Void> thirdBegins = acquire(third);
        awaitPosition(third, 2);

        second.cancel();

        assertThatThrownBy(secondBegins::join).hasRootCauseMessage("vm vm2: cancelled, it is as it was");
        awaitPosition(third, 1);
        slots.release();
        thirdBegins.join();
    }

    @Test
    void aGuestThatWaitsForItsPagesWaitsForNoPlace() throws Exception {
        slots.acquire(operation("1"), false);
        slots.acquire(operation("2"), true);
    }
}
