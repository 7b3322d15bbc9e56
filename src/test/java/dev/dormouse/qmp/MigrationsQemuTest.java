package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
@Timeout(180)
class MigrationsQemuTest {
    private static final String[] MACHINE = {"-machine", "q35,accel=tcg", "-m", "64"};
    private static final String[] INCOMING = {"-machine", "q35,accel=tcg", "-m", "64", "-incoming", "defer"};

    @TempDir
    Path directory;

    @Test
    void migratesToASocketThatSomebodyDrains() throws Exception {
        Path target = directory.resolve("out");
        try (LiveQemu qemu = LiveQemu.start(directory, MACHINE);
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(target));
            CompletableFuture<Long> drained = CompletableFuture.supplyAsync(() -> drain(server));
            var migrations = new Migrations(qemu.qmp);
            migrations.setCapabilities(Map.of("events", true));
            migrations.setParameters(Map.of("max-bandwidth", 0L));
            long mark = qemu.qmp.eventMark();

            migrations.startOutgoing("unix:" + target);

            assertThat(migrations.awaitCompleted(LiveQemu.BOUND).name()).isEqualTo("completed");
            migrations.awaitStatusEvent(mark, Set.of("completed"), LiveQemu.BOUND);
            assertThat(drained.get(60, TimeUnit.SECONDS)).isGreaterThan(100_000);
        }
    }

    @Test
    void reportsWhyAMigrationFailed() throws IOException {
        try (LiveQemu qemu = LiveQemu.start(directory, MACHINE)) {
            var migrations = new Migrations(qemu.qmp);

            assertThatThrownBy(() -> {
                        migrations.startOutgoing("unix:" + directory.resolve("nobody"));
                        migrations.awaitCompleted(LiveQemu.BOUND);
                    })
                    .isInstanceOf(QemuException.class)
                    .hasMessageStartingWith("migration: it ended as failed: Failed to connect to '" + directory)
                    .hasMessageEndingWith("No such file or directory");
        }
    }

    @Test
    void waitsUntilTheIncomingSideIsCleanedUp() throws IOException {
        Path target = directory.resolve("in");
        try (LiveQemu source = LiveQemu.start(directory, MACHINE);
                LiveQemu destination = LiveQemu.start(directory, INCOMING)) {
            var incoming = new Migrations(destination.qmp);
            assertThat(incoming.status().name()).isEqualTo("none");
            incoming.setCapabilities(Map.of("events", true, "postcopy-ram", true));
            incoming.startIncoming("unix:" + target);
            assertThat(incoming.isUnderWay()).isTrue();
            assertThatThrownBy(() -> incoming.awaitIncomingClean(Duration.ofMillis(120)))
                    .hasMessage("migration: the incoming side was not cleaned up within 120 ms");

            var outgoing = new Migrations(source.qmp);
            outgoing.setCapabilities(Map.of("postcopy-ram", true));
            outgoing.startOutgoing("unix:" + target);
            incoming.awaitIncomingClean(LiveQemu.BOUND);
            outgoing.awaitCompleted(LiveQemu.BOUND);

            assertThat(incoming.isUnderWay()).isFalse();
            incoming.resetCapabilities();
            assertThat(incoming.capabilities())
                    .containsEntry("postcopy-ram", false)
                    .containsEntry("events", true);
        }
    }

    @Test
    void reportsAnIncomingSideThatFailed() throws IOException {
        Path target = directory.resolve("in");
        try (LiveQemu destination = LiveQemu.start(directory, INCOMING)) {
            var incoming = new Migrations(destination.qmp);
            incoming.startIncoming("unix:" + target);
            try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(target))) {
                channel.write(ByteBuffer.wrap("this is no migration stream".getBytes(StandardCharsets.US_ASCII)));
            }

            // 7.2 exits on a bad stream unless told otherwise, later versions may stay with state failed.
            assertThatThrownBy(() -> incoming.awaitIncomingClean(LiveQemu.BOUND))
                    .isInstanceOfAny(QmpConnectionException.class, QemuException.class);
        }
    }

    @Test
    void refusesWhatThisQemuDoesNotKnow() throws IOException {
        try (LiveQemu qemu = LiveQemu.start(directory, "-machine", "none")) {
            var migrations = new Migrations(qemu.qmp);

            assertThatThrownBy(() -> migrations.setCapabilities(Map.of("warp", true, "events", true)))
                    .hasMessage("migration: this QEMU lacks the capabilities [warp], use a newer one");
            assertThatThrownBy(() -> migrations.setParameters(Map.of("warp-factor", 9)))
                    .hasMessage("migration: this QEMU lacks the parameters [warp-factor], use a newer one");
            migrations.setCapabilities(Map.of("warp", false, "events", true));
            assertThat(migrations.capabilities()).containsEntry("events", true).doesNotContainKey("warp");
        }
    }

    @Test
    void tellsWhyAMachineCannotBeMigrated() throws IOException {
        Path disk = directory.resolve("disk.vdi");
        String create = QemuBinary.locate(null).imageTool().toString();
        ToolRun.of(List.of(create, "create", "-q", "-f", "vdi", disk.toString(), "1M"), LiveQemu.BOUND);
        String node = "driver=vdi,node-name=disk0,file.driver=file,file.filename=" + disk;

        try (LiveQemu qemu = LiveQemu.start(directory, "-machine", "none", "-blockdev", node)) {
            assertThat(new Migrations(qemu.qmp).blockedReasons())
                    .singleElement()
                    .asString()
                    .contains("vdi format used by node 'disk0' does not support live migration");
        }
    }

    private static long drain(ServerSocketChannel server) {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        long count = 0;
        try (SocketChannel channel = server.accept()) {
            for (int n = channel.read(buffer); n >= 0; n = channel.read(buffer.clear())) count += n;
            return count;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
