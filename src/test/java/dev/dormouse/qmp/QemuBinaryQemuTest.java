package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
@Timeout(120)
class QemuBinaryQemuTest {
    @TempDir
    Path directory;

    @Test
    void resolvesMachineAliasesToVersions() throws IOException {
        QemuBinary qemu = QemuBinary.locate(null);
        QemuVersion version = qemu.version();
        String suffix = version.major() + "." + version.minor();

        assertThat(qemu.machineType("q35")).isEqualTo("pc-q35-" + suffix);
        assertThat(qemu.machineType("pc")).isEqualTo("pc-i440fx-" + suffix);
        assertThat(qemu.machineType("pc-q35-" + suffix)).isEqualTo("pc-q35-" + suffix);
        assertThat(qemu.machineTypes()).contains("none", "microvm").doesNotContain("q35", "pc");
        assertThatThrownBy(() -> qemu.machineType("toaster"))
                .hasMessage(qemu.path() + ": knows no machine type 'toaster',"
                        + " '-machine help' lists those that it knows");
    }

    @Test
    void listsCpuModels() throws IOException {
        assertThat(QemuBinary.locate(null).cpuModels())
                .contains("qemu64", "Skylake-Client", "Skylake-Client-v1", "max", "host")
                .noneMatch(name -> name.startsWith("("));
    }

    @Test
    void prefersTheConfiguredProgramThenTheEnvironment() throws IOException {
        QemuBinary found = QemuBinary.locate(null);
        Map<String, String> environment = Map.of(QemuBinary.ENVIRONMENT_VARIABLE, "/nowhere/qemu");

        assertThat(QemuBinary.locate(found.path(), environment).path()).isEqualTo(found.path());
        assertThatThrownBy(() -> QemuBinary.locate(null, environment))
                .hasMessage("/nowhere/qemu: the QEMU in DORMOUSE_QEMU is not an executable file");
        assertThatThrownBy(() -> QemuBinary.locate(null, Map.of("PATH", "/nowhere")))
                .hasMessage("qemu-system-x86_64: not found on PATH, install QEMU or set DORMOUSE_QEMU to its path");
        assertThat(found.imageTool()).isExecutable();
    }

    @Test
    void theProbeGuestAnswersUnderTcg() throws IOException {
        assertThat(AcceleratorProbe.fault(QemuBinary.locate(null).path(), "tcg", Duration.ofSeconds(60)))
                .isEmpty();
    }

    @Test
    void theProbeSaysWhyAnAcceleratorDoesNotWork() throws IOException {
        Path qemu = QemuBinary.locate(null).path();

        assertThat(AcceleratorProbe.fault(qemu, "warp", Duration.ofSeconds(20)).orElseThrow())
                .startsWith("the probe guest did not start: ")
                .contains("invalid accelerator warp");
        assertThat(AcceleratorProbe.fault(qemu, "tcg", Duration.ofMillis(1)))
                .hasValue("a probe guest did not answer within 1 ms");
    }

    @Test
    void choosesTcgWhereNoHardwareModuleIsLoaded() throws IOException {
        Files.createDirectory(directory.resolve("kvm_pvm"));

        assertThat(AcceleratorProbe.choose(QemuBinary.locate(null).path(), directory))
                .isEqualTo(new Accelerator(
                        Accelerator.Kind.TCG,
                        "neither kvm_intel nor kvm_amd is loaded, so KVM cannot run stock guests"));
    }

    @Test
    void keepsToWhatTheUserAskedFor() throws IOException {
        QemuBinary qemu = QemuBinary.locate(null);

        assertThat(qemu.accelerator(Accelerator.Choice.TCG).kind().option()).isEqualTo("tcg");
        assertThat(qemu.accelerator(Accelerator.Choice.KVM).kind().option()).isEqualTo("kvm");
        assertThat(qemu.accelerator(Accelerator.Choice.AUTO)).isSameAs(qemu.accelerator(Accelerator.Choice.AUTO));
    }
}
