package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
class SuspendResumeTest {
    @TempDir
    Path folder;

    @Test
    void theGuestFindsItsMemoryIntact() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.engine.create(GuestVm.request(fixture.guest, "vm1", "512M"));
            fixture.engine.start("vm1", false);
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.ping("hello", Duration.ofMinutes(1));
                probe.fill("a", 42, 100, 50, Duration.ofMinutes(1));
            }

            SuspendResult suspended = fixture.engine.suspend("vm1", OperationListener.NONE, new Cancellation());
            System.out.println(suspended);
            long t = System.nanoTime();
            ResumeResult resumed = fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
                @Override
                public void running() {
                    System.out.println("running " + (System.nanoTime() - t) / 1000000);
                }
            });
            System.out.println(resumed);

            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThat(probe.verify("a", Duration.ofMinutes(1))).isEqualTo(100 << 20);
            }
        }
    }
}
