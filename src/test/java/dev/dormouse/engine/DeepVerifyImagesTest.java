package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.VerifyReport;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A deep verification with a disk that is a raw file.
class DeepVerifyImagesTest {
    private static final int BLOCKS = 10;

    @TempDir
    Path folder;

    private Images images;
    private Path disk;
    private Path image;

    @BeforeEach
    void writeImage() throws IOException {
        images = new Images(Home.at(folder.resolve("home"), folder.toString()));
        disk = folder.resolve("disk.raw");
        var content = new byte[BLOCKS * 4096];
        new SplittableRandom(1).nextBytes(content);
        Files.write(disk, content);
        var chain = new BackingChain(List.of(new Layer(disk.toString(), Layer.Format.RAW)));
        image = folder.resolve("vm.dormouse");
        try (var writer = ImageWriter.create(image, List.of(new RamBlock("pc.ram", 100 * 4096)))) {
            writer.setDiskBlockCounts(BLOCKS);
            for (int block = 0; block < BLOCKS; block++) {
                writer.addOnDisk(0, 50 + block, 0, block, Xxh3.hash64(ByteBuffer.wrap(content, block * 4096, 4096)));
            }
            writer.setMetadata(Json.write(new ImageMetadata(
                    "vm-1", "vm", Vm.now(), "7.2.0", config(), List.of(FrozenDisk.of(chain)), 0, null)));
            writer.publish();
        }
    }

    private static VmConfig config() {
        return new VmConfig(
                "vm",
                100 * 4096,
                1,
                "pc-q35-7.2",
                "tcg",
                "qemu64",
                VmConfig.MemoryBackend.ANONYMOUS,
                List.of(new VmConfig.Disk("disk0", BLOCKS * 4096, VmConfig.Disk.Interface.VIRTIO, 0)),
                null,
                List.of(),
                null,
                null,
                false,
                null,
                List.of(),
                "7.2.0",
                null);
    }

    private VerifyReport verify() throws IOException {
        return images.verifyDeep(image, RawView::open, VerifyReport.Progress.NONE);
    }

    @Test
    void findsThePagesOnTheDisk() throws IOException {
        VerifyReport report = verify();

        assertThat(report.damages()).isEmpty();
        assertThat(report.comparedOnDiskPages()).isEqualTo(BLOCKS);
    }

    @Test
    void namesTheChangedLayerBeforeItsPages() throws IOException {
        try (FileChannel file = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap(new byte[4096]), 3 * 4096);
        }
        Files.setLastModifiedTime(disk, java.nio.file.attribute.FileTime.fromMillis(0));

        VerifyReport report = verify();

        assertThat(report.damageCount()).isEqualTo(2);
        assertThat(report.damages().getFirst()).startsWith(disk + ": disk layer changed since the checkpoint, ");
        assertThat(report.damages().getLast())
                .isEqualTo(image + ": page of frame 53 (disk 0, block 3) is not what was captured,"
                        + " its block has another content now");
    }

    @Test
    void failsWhereTheDiskIsMissing() throws IOException {
        Files.delete(disk);

        assertThatThrownBy(this::verify).hasMessageContaining(disk.toString());
    }

    private record RawView(FileChannel file) implements DiskView {
        static DiskView open(BackingChain chain) throws IOException {
            return new RawView(FileChannel.open(Path.of(chain.top().path()), StandardOpenOption.READ));
        }

        @Override
        public long blockCount() {
            return BLOCKS;
        }

        @Override
        public void read(long block, ByteBuffer into) throws IOException {
            long start = block * BLOCK_BYTES - into.position();
            while (into.hasRemaining()) {
                if (file.read(into, start + into.position()) < 0) {
                    throw new IOException("disk ends");
                }
            }
        }

        @Override
        public long readingOrder(long block) {
            return block;
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
