package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class HostMemoryTest {
    @Test
    void knowsWhatIsFreeAsTheKernelTellsIt() throws Exception {
        long told = Files.readAllLines(Path.of("/proc/meminfo")).stream()
                .filter(line -> line.startsWith("MemFree:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
                .findFirst()
                .orElseThrow();

        try (Arena arena = Arena.ofConfined()) {
            // Others use memory meanwhile.
            assertThat(HostMemory.freeBytes(arena.allocate(HostMemory.SYSINFO_BYTES, Long.BYTES)))
                    .isBetween(told / 2, told * 2);
        }
    }
}
