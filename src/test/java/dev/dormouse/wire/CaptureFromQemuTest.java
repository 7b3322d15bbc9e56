package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.DeviceState;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.VmDescription;
import dev.dormouse.wire.StreamMessage.ZeroPage;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Captures a guest that never ran from a real QEMU: the installed one, and 10.0 if the system property
/// `dormouse.qemu10` names the directory with its `bin`.
@Tag("qemu")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class CaptureFromQemuTest {
    private static final long RAM_BYTES = 256L << 20;

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"installed, q35", "installed, pc", "10, q35", "10, pc"})
    void capturesAPausedGuest(String version, String machine) throws Exception {
        List<String> command = new ArrayList<>(qemu(version));
        command.addAll(List.of("-M", machine + ",accel=tcg", "-m", "256"));

        try (var qemu = new Qemu(command, folder)) {
            var capture = qemu.capture(CaptureOptions.defaults());

            capture.checkComplete();
            assertThat(capture.configuration.machine()).startsWith("pc-" + (machine.equals("pc") ? "i440fx" : "q35"));
            assertThat(capture.covered.get("pc.ram").cardinality()).isEqualTo((int) (RAM_BYTES / 4096));
        }
    }

    @ParameterizedTest
    @CsvSource({"installed", "10"})
    void capturesOnlyDevicesAndRomsOfSharedMemory(String version) throws Exception {
        List<String> command = new ArrayList<>(qemu(version));
        command.addAll(List.of("-M", "q35,accel=tcg,memory-backend=mem", "-m", "256", "-object"));
        Path memory = Files.createTempDirectory(Path.of("/dev/shm"), "dormouse-wire");
        command.add("memory-backend-file,id=mem,size=256M,share=on,mem-path=" + memory);

        try (var qemu = new Qemu(command, folder)) {
            qemu.command(
                    "migrate-set-capabilities",
                    Map.of("capabilities", List.of(Map.of("capability", "x-ignore-shared", "state", true))));
            var capture = qemu.capture(CaptureOptions.defaults().withIgnoreShared(true));

            capture.checkComplete();
            assertThat(capture.configuration.capabilities()).containsExactly("x-ignore-shared");
            assertThat(capture.start.guestAddresses()).hasSameSizeAs(capture.start.blocks());
            assertThat(capture.covered).doesNotContainKey("mem").containsKey("pc.bios");
        } finally {
            Files.delete(memory);
        }
    }

    private static List<String> qemu(String version) {
        if (version.equals("installed")) {
            return List.of("qemu-system-x86_64");
        }
        String home = System.getProperty("dormouse.qemu10", "");
        assumeTrue(!home.isEmpty(), "dormouse.qemu10 names no QEMU 10.0");
        return List.of(home + "/bin/qemu-system-x86_64", "-L", home + "/share/qemu", "-L", home + "/share/seabios");
    }

    /// What the messages of a capture amount to.
    private static final class Capture {
        private Configuration configuration = new Configuration("none", List.of());
        private RamStart start = new RamStart(0, List.of());
        private DeviceState devices = new DeviceState(new byte[1]);
        private String json = "";
        private boolean lastPart;
        private final Map<String, BitSet> covered = new HashMap<>();

        void take(StreamMessage message) {
            switch (message) {
                case Configuration next -> configuration = next;
                case RamStart next -> start = next;
                case RamPart(int sectionId, boolean last) -> {
                    assertThat(sectionId).isEqualTo(start.sectionId());
                    lastPart |= last;
                }
                case Page(RamBlock block, long offset, ByteBuffer data) -> {
                    assertThat(data.remaining()).isEqualTo(4096);
                    cover(block, offset);
                }
                case ZeroPage(RamBlock block, long offset) -> cover(block, offset);
                case DeviceState next -> devices = next;
                case VmDescription next -> json = next.json();
                default -> {}
            }
        }

        private void cover(RamBlock block, long offset) {
            covered.computeIfAbsent(block.name(), _ -> new BitSet()).set((int) (offset / 4096));
        }

        void checkComplete() {
            assertThat(lastPart).isTrue();
            assertThat(devices.blob()[0]).isEqualTo((byte) 4);
            assertThat(Json.parseObject(json)).containsEntry("page_size", 4096L);
            assertThat(start.blocks()).extracting(RamBlock::name).contains("pc.bios", "pc.rom");
        }
    }

    /// A QEMU that is ended whatever happens, and one QMP connection to it.
    private static final class Qemu implements AutoCloseable {
        private final Path folder;
        private final Process process;
        private final SocketChannel qmp;
        private final BufferedReader replies;

        Qemu(List<String> command, Path folder) throws IOException, InterruptedException {
            this.folder = folder;
            Path socket = folder.resolve("qmp");
            var all = new ArrayList<>(command);
            all.addAll(List.of("-S", "-nodefaults", "-display", "none", "-qmp"));
            all.add("unix:" + socket + ",server=on,wait=off");
            process = new ProcessBuilder(all)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("log").toFile())
                    .start();
            try {
                qmp = connect(socket);
                replies = new BufferedReader(Channels.newReader(qmp, StandardCharsets.UTF_8));
                replies.readLine();
                command("qmp_capabilities", Map.of());
            } catch (IOException e) {
                close();
                throw new IOException(Files.readString(folder.resolve("log")), e);
            }
        }

        private SocketChannel connect(Path socket) throws IOException, InterruptedException {
            while (process.isAlive()) {
                try {
                    return SocketChannel.open(UnixDomainSocketAddress.of(socket));
                } catch (IOException e) {
                    Thread.sleep(10); // The class has a time limit.
                }
            }
            throw new IOException("QEMU did not start");
        }

        Map<String, Object> command(String name, Map<String, Object> arguments) throws IOException {
            String line = Json.write(Map.of("execute", name, "arguments", arguments)) + "\n";
            qmp.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8)));
            while (true) {
                Map<String, Object> reply = Json.parseObject(replies.readLine());
                assertThat(reply).doesNotContainKey("error");
                if (reply.containsKey("return")) {
                    return reply;
                }
            }
        }

        Capture capture(CaptureOptions options) throws IOException {
            var address = UnixDomainSocketAddress.of(folder.resolve("stream"));
            try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                server.bind(address);
                command("migrate-set-parameters", Map.of("max-bandwidth", 0));
                command("migrate", Map.of("uri", "unix:" + address.getPath()));
                try (var stream = server.accept()) {
                    var reader = new MigrationStreamReader(stream, "qemu", options);
                    var capture = new Capture();
                    StreamMessage next;
                    do {
                        next = reader.next();
                        capture.take(next);
                    } while (!(next instanceof StreamMessage.EndOfStream));
                    return capture;
                }
            }
        }

        @Override
        public void close() {
            process.destroyForcibly();
            process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
        }
    }
}
