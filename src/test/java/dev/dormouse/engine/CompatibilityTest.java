package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest.NetworkRequest;
import dev.dormouse.qmp.QemuBinary;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Images that go to another QEMU, another host, or another VM.
@Tag("qemu")
class CompatibilityTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    @Test
    void anImageOfAnOlderQemuIsResumedByANewerOneAsTheSameMachine() throws Exception {
        Path newer = EngineFixture.qemu("10.0");
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1").withNetworks(List.of(new NetworkRequest("user", null, null, null))));
            CheckpointTest.fillPattern(fixture);
            fixture.suspend("vm1");

            fixture.engineWith(newer).resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE);

            CheckpointTest.verify(fixture, "vm1");
            assertThat(fixture.vm("vm1").config().machine()).isEqualTo("pc-q35-7.2");
            fixture.engineWith(newer).suspend("vm1", OperationListener.NONE, new Cancellation());
            fixture.engineWith(newer).resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE);
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// A QEMU that cannot give a feature that was there stands for a host that cannot.
    @Test
    void aHostThatLacksAFeatureOfTheCpuIsRefused() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            CheckpointTest.fillPattern(fixture);
            fixture.suspend("vm1");
            Engine poorer = fixture.engineWith(changed(fixture, "qemu64-v1", "qemu64-v1,+vmx"));

            assertThatThrownBy(() -> poorer.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE))
                    .hasMessage("vm vm1: resume failed: its CPU model qemu64-v1 lacks vmx here, which its guest has; "
                            + "resume it on a host that has them; nothing is lost, 'dormouse resume vm1' tries again");

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// The nearest one: even it knows machine type and CPU model, but its CPU has no long mode.
    @Test
    void aQemuOfAnotherArchitectureIsRefused() throws Exception {
        Path i386 = Path.of("/usr/bin/qemu-system-i386");
        Assumptions.assumeTrue(Files.isExecutable(i386), i386 + " is not installed");
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1").withMemory("192M"));
            CheckpointTest.fillPattern(fixture);
            fixture.suspend("vm1");
            Engine other = fixture.engineWith(i386);

            assertThatThrownBy(() -> other.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE))
                    .hasMessageStartingWith("vm vm1: resume failed: ")
                    .hasMessageContaining("its CPU model qemu64-v1 lacks lm, syscall here")
                    .hasMessageEndingWith("; nothing is lost, 'dormouse resume vm1' tries again");

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// The firmware of a card belongs to the guest's memory; one of another size does not fit.
    @Test
    void aRomOfAnotherSizeIsRefusedBeforeTheGuestRuns() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1")
                    .withNetworks(List.of(new NetworkRequest("user", null, null, "52:54:00:12:34:56"))));
            CheckpointTest.fillPattern(fixture);
            fixture.suspend("vm1");
            Engine other = fixture.engineWith(
                    changed(fixture, "mac=52:54:00:12:34:56", "mac=52:54:00:12:34:56,romsize=2097152"));

            assertThatThrownBy(() -> other.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE))
                    .hasMessageStartingWith("vm vm1: resume failed: ")
                    .hasMessageContaining("virtio-net-pci.rom")
                    .hasMessageEndingWith("; nothing is lost, 'dormouse resume vm1' tries again");

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    @Test
    void aCloneCanBeToldFromTheVmThatItWasMadeOf() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            int port = freePort();
            fixture.boot(fixture.request("vm1")
                    .withNetworks(List.of(new NetworkRequest(
                            "user", null, List.of("tcp:127.0.0.1:" + port + "-:22"), "52:54:00:12:34:56"))));
            CheckpointTest.fillPattern(fixture);
            String image = fixture.checkpoint("vm1").image();

            fixture.engine.restoreAs(image, "vm2");
            fixture.resume("vm2");

            CheckpointTest.verify(fixture, "vm2");
            assertThat(generation(fixture, "vm2")).isNotEqualTo(generation(fixture, "vm1"));
            var network = fixture.vm("vm2").config().networks().getFirst();
            assertThat(network.macAddress()).startsWith("52:54:00:").isNotEqualTo("52:54:00:12:34:56");
            assertThat(network.forwards())
                    .singleElement()
                    .asString()
                    .matches("tcp:127\\.0\\.0\\.1:\\d+-:22")
                    .doesNotContain(":" + port + "-");
            assertThat(fixture.engine.status("vm2").forwards()).isEqualTo(network.forwards());
        }
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private static Object generation(EngineFixture fixture, String name) throws Exception {
        try (QmpClient qmp = QmpClient.connect(fixture.vm(name).sockets().qmp(), LONG)) {
            return qmp.execute("query-vm-generation-id").get("guid");
        }
    }

    /// {@return a program that is QEMU with the end of one of its arguments replaced}
    private static Path changed(EngineFixture fixture, String end, String replacement) throws Exception {
        QemuBinary real = fixture.engine.tools().qemu();
        Path script = fixture.folder.resolve("qemu-system-x86_64");
        Files.writeString(script, """
            #!/usr/bin/env bash
            arguments=()
            for argument in "$@"; do
              arguments+=("${argument/%%%s/%s}")
            done
            exec %s "${arguments[@]}"
            """.formatted(end, replacement, real.path()));
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
        return script;
    }
}
