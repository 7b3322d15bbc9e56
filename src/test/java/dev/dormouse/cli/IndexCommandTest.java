package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.Layer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("qemu")
class IndexCommandTest {
    private final DiskTools tools = DiskTools.of("7.2");

    @TempDir
    private Path folder;

    @Test
    void indexesALayerOnceOnly() throws IOException {
        Path disk = disk();

        CliRun first = CliRun.of(folder, "index", disk.toString(), "--json");
        CliRun second = CliRun.of(folder, "index", disk.toString(), "--json");

        assertThat(first.exitCode()).as(first.err()).isZero();
        assertThat(layer(first, 0)).containsEntry("built", true).containsEntry("blocks", 16L);
        assertThat(layer(first, 1)).containsEntry("built", true).containsEntry("readBytes", 3L << 20);
        assertThat(layer(second, 0)).containsEntry("built", false).containsEntry("blocks", 16L);
        assertThat(layer(second, 1).get("digest")).isEqualTo(layer(first, 1).get("digest"));
    }

    @Test
    void tellsPeopleWhatItDid() throws IOException {
        Path disk = disk();

        CliRun run = CliRun.of(folder, "index", disk.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .startsWith("LAYER")
                .contains("built", "3.0 MiB", "GB/s")
                .hasLineCount(3);
    }

    @Test
    void saysThatThereIsNoSuchDisk() {
        CliRun run = CliRun.of(folder, "index", "/nowhere.raw");

        assertThat(run)
                .isEqualTo(new CliRun(
                        1, "", "dormouse: /nowhere.raw: no such disk file, give the path of a disk image\n"));
    }

    private Path disk() throws IOException {
        Path base = folder.resolve("base.qcow2");
        Path disk = folder.resolve("disk.qcow2");
        tools.create("-f", "qcow2", base.toString(), "64M");
        tools.io(base, Layer.Format.QCOW2, "write -P 1 1M 3M");
        tools.create("-f", "qcow2", "-b", base.toString(), "-F", "qcow2", disk.toString());
        tools.io(disk, Layer.Format.QCOW2, "write -P 2 2M 64k");
        return disk;
    }

    @SuppressWarnings("unchecked") // What the JSON library makes of an object.
    private static Map<String, Object> layer(CliRun run, int index) {
        return (Map<String, Object>) ((List<?>) Json.parseObject(run.out()).get("layers")).get(index);
    }
}
