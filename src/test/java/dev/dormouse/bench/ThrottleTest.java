package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;

class ThrottleTest {
    private static final Path GROUP = Path.of(
            "/sys/fs/cgroup/blkio/dormouse-bench-" + ProcessHandle.current().pid());

    @Test
    void limitsThisProcessAndWhatItStartsUntilItIsClosed() throws IOException {
        assumeThat(Path.of("/sys/fs/cgroup/blkio/cgroup.procs")).isWritable();
        Path file = Files.createTempFile(Path.of("/var/tmp"), "dormouse", ".throttle");
        try (Throttle _ = Throttle.enter(StorageProfile.NAS, List.of(file))) {
            assertThat(Files.readString(GROUP.resolve("blkio.throttle.read_bps_device")))
                    .contains(" 110000000");
            assertThat(Files.readString(GROUP.resolve("blkio.throttle.read_iops_device")))
                    .contains(" 2000");
            assertThat(Files.readAllLines(GROUP.resolve("cgroup.procs")))
                    .contains(Long.toString(ProcessHandle.current().pid()));
        } finally {
            Files.delete(file);
        }
        assertThat(GROUP).doesNotExist();
    }

    @Test
    void leavesTheMachineAloneWithoutALimit() throws IOException {
        assertThat(Throttle.enter(StorageProfile.COLD, List.of())).isNull();
    }

    @Test
    void seesWhichFilesAreInThePageCache() throws IOException {
        Path file = Files.createTempFile(Path.of("/var/tmp"), "dormouse", ".cache");
        try {
            Files.write(file, new byte[1 << 20], StandardOpenOption.WRITE);

            PageCache.evict(List.of(file));
            PageCache.Residency evicted = PageCache.residency(List.of(file));
            PageCache.load(List.of(file));
            PageCache.Residency loaded = PageCache.residency(List.of(file));

            assertThat(evicted.residentBytes()).isZero();
            assertThat(loaded.share()).isGreaterThanOrEqualTo(1);
        } finally {
            Files.delete(file);
        }
    }
}
