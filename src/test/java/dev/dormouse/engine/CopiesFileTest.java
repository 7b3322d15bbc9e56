package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.WorkingSet;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The file of copies beside an image: whose it is, and who can read it.
class CopiesFileTest {
    private static final int FRAMES = 256;

    @TempDir
    Path folder;

    private final Storage storage = Storage.fileSystem();
    private Path image;
    private CopiesFile copies;
    private ImageKeys keys = ImageKeys.UNNAMED;

    @BeforeEach
    void begin() {
        image = folder.resolve("guest.dormouse");
        copies = new CopiesFile(storage, folder.resolve("copies"));
    }

    /// A disk of which each block is full of its number.
    private static final class NumberedBlocks implements DiskView {
        @Override
        public long blockCount() {
            return FRAMES;
        }

        @Override
        public void read(long block, ByteBuffer into) {
            for (long number = block; into.hasRemaining(); number++) {
                into.put(page(number));
            }
        }

        @Override
        public long readingOrder(long block) {
            return block;
        }

        @Override
        public void close() {}
    }

    private static ByteBuffer page(long number) {
        ByteBuffer page = ByteBuffer.allocateDirect(DiskView.BLOCK_BYTES);
        while (page.hasRemaining()) {
            page.putLong(number);
        }
        return page.flip();
    }

    /// An image of which all pages but the first are on the disk.
    private void writeImage(String metadata) throws IOException {
        var block = new RamBlock("pc.ram", (long) FRAMES * DiskView.BLOCK_BYTES);
        String key = keys.named() == null ? null : keys.named().toString();
        try (var writer = ImageWriter.create(storage, image, List.of(block), ImageKeys.writerOptions(key))) {
            for (long frame = 1; frame < FRAMES; frame++) {
                writer.addOnDisk(0, frame, 0, frame, Xxh3.hash64(MemorySegment.ofBuffer(page(frame))));
            }
            writer.setDiskBlockCounts(FRAMES);
            writer.setMetadata(metadata);
            writer.publish();
        }
    }

    private long write(boolean goesOn) throws IOException {
        var set = WorkingSet.ofHottest(FRAMES, LongStream.range(0, 64).toArray());
        try (ImageReader reader = keys.open(storage, image);
                PreparedImage prepared = PreparedImage.of(reader, List.of(new NumberedBlocks()))) {
            return copies.write(reader, prepared, set, keys, () -> goesOn);
        }
    }

    private boolean opens() throws IOException {
        try (ImageReader reader = keys.open(storage, image)) {
            Optional<ImageReader> opened = copies.open(reader, keys);
            boolean found = opened.isPresent();
            if (found) {
                opened.get().close();
            }
            return found;
        }
    }

    @Test
    void belongsToOneImage() throws Exception {
        writeImage("{\"name\":\"first\"}");
        assertThat(opens()).as("not written yet").isFalse();

        assertThat(write(true)).isEqualTo(63);
        assertThat(opens()).isTrue();
        assertThat(copies.lengthBytes()).isBetween(1L, 63L * 4096 / 2);

        writeImage("{\"name\":\"second\"}");
        assertThat(opens()).as("of the image before").isFalse();

        assertThat(write(false)).isZero();
        assertThat(copies.lengthBytes()).as("broken off").isZero();
        assertThat(opens()).isFalse();
    }

    @Test
    void whatIsDamagedIsNotThere() throws Exception {
        writeImage("{}");
        write(true);
        byte[] bytes = Files.readAllBytes(folder.resolve("copies"));
        for (int length : new int[] {0, 100, bytes.length - 1}) {
            Files.write(folder.resolve("copies"), Arrays.copyOf(bytes, length));
            assertThat(opens()).isFalse();
        }

        copies.delete();
        copies.delete();
        assertThat(folder.resolve("copies")).doesNotExist();
    }

    @Test
    void isAsSecretAsItsImage() throws Exception {
        Path key = Files.createFile(
                folder.resolve("key"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.write(key, new byte[32]);
        keys = new ImageKeys(key);
        writeImage("{}");

        assertThat(write(true)).isEqualTo(63);
        assertThat(opens()).isTrue();
        assertThat(ImageReader.label(storage, folder.resolve("copies")).encrypted())
                .isTrue();
    }
}
