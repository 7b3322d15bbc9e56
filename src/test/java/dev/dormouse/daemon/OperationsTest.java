package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class OperationsTest {
    @Test
    void oneThatRunsOutOfMemoryEndsAndItsVmIsFreeForAnother() throws Exception {
        var ended = new LinkedBlockingQueue<OperationView>();
        var operations = new Operations(new Events(), ended::add);

        Operation suspend = operations.begin(Operation.Kind.SUSPEND, "web", _ -> {
            throw new OutOfMemoryError("Cannot reserve direct buffer memory");
        });

        assertThat(suspend.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(ended.take().state()).isEqualTo("failed");
        assertThat(suspend.error().detail()).contains("OutOfMemoryError: Cannot reserve direct buffer memory");
        assertThat(operations.active("web")).isEqualTo(List.of());
    }
}
