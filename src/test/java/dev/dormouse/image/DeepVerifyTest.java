package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Pages on disks are compared with a raw file; each that changed is found, and no other is blamed.
class DeepVerifyTest {
    private static final int BLOCKS = 3000;

    @TempDir
    Path directory;

    private Path disk;
    private Path image;
    private final List<String> reads = new ArrayList<>();

    @BeforeEach
    void writeDiskAndImage() throws IOException {
        disk = directory.resolve("disk.raw");
        var content = new byte[BLOCKS * 4096];
        new SplittableRandom(1).nextBytes(content);
        Files.write(disk, content);
        image = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(image, List.of(new RamBlock("ram", 8000 * 4096)))) {
            writer.setDiskBlockCounts(0, BLOCKS);
            // Backwards, so that the order of frames is not that of the disk; block 7 is two pages.
            for (int block = 0; block < BLOCKS; block++) {
                writer.addOnDisk(0, 7000 - block, 1, block, Xxh3.hash64(ByteBuffer.wrap(content, block * 4096, 4096)));
            }
            writer.addOnDisk(0, 7500, 1, 7, Xxh3.hash64(ByteBuffer.wrap(content, 7 * 4096, 4096)));
            writer.addPage(0, 0, GoldenImage.page(9));
            writer.publish();
        }
    }

    private VerifyReport verify() throws IOException {
        try (var reader = ImageReader.open(image);
                FileChannel file = FileChannel.open(disk, StandardOpenOption.READ)) {
            return reader.verifyDeep(
                    (number, block, into) -> {
                        reads.add(number + ":" + block + "+" + into.remaining() / 4096);
                        while (into.hasRemaining()) {
                            if (file.read(into, block * 4096 + into.position()) < 0) {
                                throw new IOException(
                                        "disk.raw: ends before block " + (block + into.position() / 4096));
                            }
                        }
                    },
                    VerifyReport.Progress.NONE);
        }
    }

    @Test
    void readsTheDiskForwardInLargeRuns() throws IOException {
        VerifyReport report = verify();

        assertThat(report.damages()).isEmpty();
        assertThat(report.deep()).isTrue();
        assertThat(report.onDiskPages()).isEqualTo(BLOCKS + 1);
        assertThat(report.comparedOnDiskPages()).isEqualTo(BLOCKS + 1);
        assertThat(report.checkedPages()).isEqualTo(1);
        assertThat(reads).hasSize(12).startsWith("1:0+256", "1:256+256").endsWith("1:2816+184");
    }

    @Test
    void namesEveryPageWhoseBlockChanged() throws IOException {
        flip(7);
        flip(2999);

        VerifyReport report = verify();

        String text = " is not what was captured, its block has another content now";
        assertThat(report.damages())
                .containsExactly(
                        image + ": page of frame 6993 (disk 1, block 7)" + text,
                        image + ": page of frame 7500 (disk 1, block 7)" + text,
                        image + ": page of frame 4001 (disk 1, block 2999)" + text);
        assertThat(report.comparedOnDiskPages()).isEqualTo(BLOCKS - 2);
    }

    @Test
    void blamesOnlyTheBlocksThatCannotBeRead() throws IOException {
        try (FileChannel file = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            file.truncate(2998 * 4096);
        }

        VerifyReport report = verify();

        assertThat(report.damages())
                .containsExactly(
                        image
                                + ": page of frame 4002 (disk 1, block 2998) cannot be read: disk.raw: ends before block 2998",
                        image
                                + ": page of frame 4001 (disk 1, block 2999) cannot be read: disk.raw: ends before block 2999");
        assertThat(report.comparedOnDiskPages()).isEqualTo(BLOCKS - 1);
    }

    @Test
    void countsWhatItDoesNotList() throws IOException {
        Files.write(disk, new byte[BLOCKS * 4096]);

        VerifyReport report = verify();

        assertThat(report.damageCount()).isEqualTo(BLOCKS + 1);
        assertThat(report.damages()).hasSize(100);
    }

    @Test
    void looksAtNoDiskUnlessAsked() throws IOException {
        Files.delete(disk);
        try (var reader = ImageReader.open(image)) {
            VerifyReport report = reader.verify(VerifyReport.Progress.NONE);

            assertThat(report.isSound()).isTrue();
            assertThat(report.deep()).isFalse();
            assertThat(report.onDiskPages()).isEqualTo(BLOCKS + 1);
            assertThat(report.comparedOnDiskPages()).isZero();
        }
    }

    private void flip(int block) throws IOException {
        try (FileChannel file = FileChannel.open(disk, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            file.read(one, block * 4096L + 100);
            file.write(ByteBuffer.wrap(new byte[] {(byte) (one.get(0) ^ 1)}), block * 4096L + 100);
        }
    }
}
