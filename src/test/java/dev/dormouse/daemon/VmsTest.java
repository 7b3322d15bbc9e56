package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class VmsTest {
    @TempDir
    Path folder;

    /// The home has no VM: an operation that goes on to the engine fails with that.
    @Test
    void aClientThatComesBeforeItsVmIsSuspendedByItselfKeepsItAwake() throws Exception {
        var engine = new Engine(Home.at(folder, null));
        var events = new Events();
        var activity = new Activity();
        var operations = new Operations(events, _ -> {});
        var vms = new Vms(engine, operations, events, activity, new DaemonOptions(null, null), _ -> Optional.empty());

        Activity.Client client = activity.come("web");
        Operation kept = vms.suspendUnused("web");
        assertThat(kept.awaitEnd(Duration.ofSeconds(10))).isTrue();
        client.gone();
        Operation unused = vms.suspendUnused("web");
        assertThat(unused.awaitEnd(Duration.ofSeconds(10))).isTrue();

        assertThat(kept.view().state()).isEqualTo("cancelled");
        assertThat(kept.error().detail()).isEqualTo("vm web: has a client again, it runs on");
        assertThat(unused.view().state()).isEqualTo("failed");
    }
}
