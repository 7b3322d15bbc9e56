package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.engine.VmRequest.NetworkRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Networks of the host, made for the test and removed after it. The guest is firmware that asks the
/// network for something to boot, so its packets can be counted.
@Tag("qemu")
@Timeout(180)
class NetworkTest {
    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final Path INTERFACES = Path.of("/sys/class/net");
    private static final Path ACL = Path.of("/etc/qemu/bridge.conf");
    private static final long PID = ProcessHandle.current().pid();
    private static final String TAP = "dmt" + PID;
    private static final String BRIDGE = "dmb" + PID;

    @TempDir
    Path folder;

    private interface Step {
        void run() throws IOException;
    }

    private final Deque<Step> undo = new ArrayDeque<>();

    @BeforeEach
    void needsRoot() throws IOException {
        boolean root = (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
        Assumptions.assumeTrue(root, "only root may make network devices");
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/net/tun")), "the host has no /dev/net/tun");
    }

    @AfterEach
    void removeNetworks() throws IOException {
        while (!undo.isEmpty()) {
            undo.pop().run();
        }
    }

    private static void ip(String... arguments) throws IOException {
        var command = new ArrayList<>(List.of("ip"));
        command.addAll(List.of(arguments));
        Command.run(command, BOUND);
    }

    private void makeTap() throws IOException {
        ip("tuntap", "add", "dev", TAP, "mode", "tap");
        undo.push(() -> ip("link", "delete", TAP));
        ip("link", "set", TAP, "up");
    }

    private void makeBridge() throws IOException {
        ip("link", "add", "name", BRIDGE, "type", "bridge");
        undo.push(() -> ip("link", "delete", BRIDGE));
        ip("link", "set", BRIDGE, "up");
    }

    private void allowBridge() throws IOException {
        boolean hadFolder = Files.isDirectory(ACL.getParent());
        byte[] before = Files.exists(ACL) ? Files.readAllBytes(ACL) : null;
        undo.push(() -> {
            if (before != null) {
                Files.write(ACL, before);
            } else {
                Files.deleteIfExists(ACL);
                if (!hadFolder) {
                    Files.deleteIfExists(ACL.getParent());
                }
            }
        });
        Files.createDirectories(ACL.getParent());
        Files.writeString(ACL, "\nallow " + BRIDGE + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static VmRequest request(String name, String mode, String target) {
        return VmRequest.named(name)
                .withMemory("64M")
                .withNetworks(List.of(new NetworkRequest(mode, target, null, null)));
    }

    private static long receivedPackets(String networkInterface) throws IOException {
        return Long.parseLong(Files.readString(INTERFACES.resolve(networkInterface + "/statistics/rx_packets"))
                .strip());
    }

    private static void awaitPackets(String networkInterface, long before) throws Exception {
        InterruptionTest.await("packets come from the guest", () -> receivedPackets(networkInterface) > before);
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aGuestOnATapIsHeardBeforeAndAfterAResume(String version) throws Exception {
        makeTap();
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.engine.create(request("vm1", "tap", TAP));
            fixture.engine.start("vm1", false);
            awaitPackets(TAP, 0);
            NetworkUse use = fixture.engine.networkUse("vm1").orElseThrow();
            assertThat(use.used().values()).as("packets as QEMU counts them").anyMatch(packets -> packets > 0);

            fixture.suspend("vm1");
            assertThat(fixture.engine.networkUse("vm1")).isEmpty();
            assertThat(carrier()).isEqualTo("0");
            long before = receivedPackets(TAP);
            fixture.resume("vm1");

            assertThat(carrier()).isEqualTo("1");
            awaitPackets(TAP, before); // QEMU announces where the guest is now.
        }
    }

    private static String carrier() throws IOException {
        return Files.readString(INTERFACES.resolve(TAP + "/carrier")).strip();
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aTapThatIsInUseIsNamedInOneLine(String version) throws Exception {
        makeTap();
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.engine.create(request("vm1", "tap", TAP));
            fixture.engine.create(request("vm2", "tap", TAP));
            fixture.engine.start("vm1", false);

            assertThatThrownBy(() -> fixture.engine.start("vm2", false))
                    .hasMessageMatching(
                            "vm vm2: start failed: QEMU process \\d+: it ended with status 1, its last words:"
                                    + " .*could not configure /dev/net/tun \\(" + TAP
                                    + "\\): Device or resource busy \\(\\S+\\)");
            assertThat(fixture.state("vm2")).isEqualTo("stopped");
        }
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aGuestOnABridgeIsAPortOfItBeforeAndAfterAResume(String version) throws Exception {
        makeBridge();
        allowBridge();
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.engine.create(request("vm1", "bridge", BRIDGE));
            fixture.engine.start("vm1", false);
            assertThat(ports()).hasSize(1);
            awaitPackets(BRIDGE, 0);

            fixture.suspend("vm1");
            assertThat(ports()).isEmpty();
            long before = receivedPackets(BRIDGE);
            fixture.resume("vm1");

            assertThat(ports()).hasSize(1);
            awaitPackets(BRIDGE, before);
        }
    }

    private static List<String> ports() throws IOException {
        return EngineFixture.fileNames(INTERFACES.resolve(BRIDGE + "/brif"));
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aBridgeThatIsNotAllowedIsNamedInOneLine(String version) throws Exception {
        makeBridge();
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.engine.create(request("vm1", "bridge", BRIDGE));

            assertThatThrownBy(() -> fixture.engine.start("vm1", false))
                    .hasMessageMatching(
                            "vm vm1: start failed: QEMU process \\d+: it ended with status 1, its last words:"
                                    + " .*(access denied by acl file|failed to parse default acl file).*bridge helper failed.*");
            assertThat(fixture.state("vm1")).isEqualTo("stopped");
        }
    }
}
