package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
        List<String> command = new ArrayList<>(PausedQemu.executable(version));
        command.addAll(List.of("-M", machine + ",accel=tcg", "-m", "256"));

        try (var qemu = new PausedQemu(command, folder)) {
            var capture = qemu.capture(CaptureOptions.defaults());

            capture.checkComplete();
            assertThat(capture.configuration.machine()).startsWith("pc-" + (machine.equals("pc") ? "i440fx" : "q35"));
            assertThat(capture.covered.get("pc.ram").cardinality()).isEqualTo((int) (RAM_BYTES / 4096));
        }
    }

    @ParameterizedTest
    @CsvSource({"installed", "10"})
    void capturesOnlyDevicesAndRomsOfSharedMemory(String version) throws Exception {
        List<String> command = new ArrayList<>(PausedQemu.executable(version));
        command.addAll(List.of("-M", "q35,accel=tcg,memory-backend=mem", "-m", "256", "-object"));
        Path memory = Files.createTempDirectory(Path.of("/dev/shm"), "dormouse-wire");
        command.add("memory-backend-file,id=mem,size=256M,share=on,mem-path=" + memory);

        try (var qemu = new PausedQemu(command, folder)) {
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
}
