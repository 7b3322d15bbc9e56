package dev.dormouse.index;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.Layer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A sparse layer of 1 TiB, in a process with little heap.
@Tag("qemu")
class HugeLayerTest {
    private static final long SIZE_BYTES = 1L << 40;
    private static final int EXTENTS = 2000;

    @TempDir
    private Path folder;

    @Test
    void needsLittleHeapForALargeLayer() throws IOException {
        Path disk = folder.resolve("huge.raw");
        var random = new SplittableRandom(1);
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(SIZE_BYTES);
            for (int i = 0; i < EXTENTS; i++) {
                var bytes = new byte[8192];
                random.nextBytes(bytes);
                file.seek(random.nextLong(SIZE_BYTES / 8192) * 8192);
                file.write(bytes);
            }
        }

        String output = Command.run(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx32m",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        IndexChild.class.getName(),
                        disk.toString(),
                        folder.toString()),
                Duration.ofMinutes(3));

        assertThat(output.strip()).isEqualTo("4000 blocks");
    }

    /// Builds an index in a process of its own.
    static final class IndexChild {
        private IndexChild() {}

        public static void main(String[] arguments) throws IOException {
            var store =
                    new IndexStore(Path.of(arguments[1]), DiskTools.of("7.2").qemuImg());
            var layer = new Layer(arguments[0], Layer.Format.RAW);
            try (BlockIndex index = store.open(layer, IndexListener.NONE).index()) {
                System.out.println(index.indexedBlocks() + " blocks");
            }
        }
    }
}
