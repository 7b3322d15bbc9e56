package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestVm;
import dev.dormouse.qmp.GuestAgent;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The guest's clock stands still while the guest is put away; its agent, which is QEMU's own, sets it when it runs
/// again.
@Tag("qemu")
class GuestClockTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final Instant WRONG = Instant.parse("2031-05-06T07:08:09Z");

    @TempDir
    Path folder;

    @Test
    void isRightAgainAfterAResume() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(GuestVm.requestWithAgent(fixture.guest, "vm1", "256M"));
            setClock(fixture, WRONG); // As if the guest had been away for years.
            assertThat(clock(fixture)).isBetween(WRONG, WRONG.plus(LONG));
            fixture.suspend("vm1");

            assertThat(resume(fixture)).isEqualTo("the guest's clock is set");

            assertThat(clock(fixture))
                    .isBetween(Instant.now().minusSeconds(60), Instant.now().plusSeconds(2));
        }
    }

    private static String resume(EngineFixture fixture) throws Exception {
        var told = new CompletableFuture<String>();
        fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
            @Override
            public void step(String what) {
                if (what.startsWith("the guest's clock")) {
                    told.complete(what);
                }
            }
        });
        return told.get(1, TimeUnit.MINUTES);
    }

    private static void setClock(EngineFixture fixture, Instant time) throws IOException {
        try (var agent = agent(fixture)) {
            agent.synchronize();
            agent.setTime(time);
        }
    }

    private static Instant clock(EngineFixture fixture) throws IOException {
        try (var agent = agent(fixture)) {
            agent.synchronize();
            return agent.time();
        }
    }

    private static GuestAgent agent(EngineFixture fixture) throws IOException {
        return new GuestAgent(fixture.vm("vm1").sockets().guestAgent(), LONG);
    }
}
