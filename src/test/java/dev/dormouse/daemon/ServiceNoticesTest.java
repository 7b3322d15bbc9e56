package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What systemd is told, with a stand-in for it: there is none where the tests run.
@Tag("qemu")
@Timeout(value = 30, unit = TimeUnit.SECONDS)
class ServiceNoticesTest {
    private static final String LISTENER = """
            use IO::Socket::UNIX; use Socket; $| = 1;
            my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
            print "bound\\n";
            while (defined $s->recv(my $m, 1000)) { $m =~ s/\\n/ /g; print "$m\\n"; }""";

    @TempDir
    Path folder;

    @Test
    void isToldOfReadinessLifeAndEnd() throws Exception {
        Path socket = folder.resolve("notify");
        Process systemd = new ProcessBuilder("perl", "-e", LISTENER, socket.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader told = systemd.inputReader();
                var manager =
                        new ServiceNotices(Map.of("NOTIFY_SOCKET", socket.toString(), "WATCHDOG_USEC", "40000"))) {
            assertThat(told.readLine()).isEqualTo("bound");
            manager.waiting("for another one", 90);
            assertThat(told.readLine()).isEqualTo("STATUS=for another one EXTEND_TIMEOUT_USEC=90000000");
            var proofs = new AtomicInteger();
            manager.ready(() -> {
                if (proofs.incrementAndGet() > 2) {
                    throw new IOException("does not answer");
                }
            });
            assertThat(told.readLine()).isEqualTo("READY=1 STATUS=");
            assertThat(told.readLine()).isEqualTo("WATCHDOG=1");
            assertThat(told.readLine()).isEqualTo("WATCHDOG=1");
            while (proofs.get() < 4) {
                Thread.sleep(5);
            }
            manager.stopping(60);
            assertThat(told.readLine()).isEqualTo("STOPPING=1 EXTEND_TIMEOUT_USEC=60000000");
        } finally {
            systemd.destroyForcibly();
        }
    }

    @Test
    void withoutOneNothingIsToldAndOneThatIsGoneStopsNobody() throws Exception {
        try (var none = new ServiceNotices(Map.of());
                var gone = new ServiceNotices(
                        Map.of("NOTIFY_SOCKET", folder.resolve("gone").toString()))) {
            none.ready(() -> {});
            gone.ready(() -> {});
            gone.stopping(1);
        }
        assertThat(Files.exists(folder.resolve("gone"))).isFalse();
    }
}
