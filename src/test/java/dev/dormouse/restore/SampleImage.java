package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/// An image of a small guest and the raw disk to which some of its pages refer. Every page is random, from
/// a seed, unless it is zero or repeats another.
final class SampleImage {
    static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    final Path image;
    final Path disk;
    final RamBlock block;
    final Map<Long, byte[]> pages = new HashMap<>();
    private final Map<Long, Long> blocks = new HashMap<>();
    private final Random random = new Random(42);

    SampleImage(Path folder, int frames, int diskBlocks) throws IOException {
        image = folder.resolve("guest.dormouse");
        disk = folder.resolve("disk.raw");
        block = new RamBlock("pc.ram", (long) frames * PAGE);
        var content = new byte[diskBlocks * PAGE];
        random.nextBytes(content);
        Files.write(disk, content);
    }

    SampleImage stored(long first, int count) {
        for (long frame = first; frame < first + count; frame++) {
            var page = new byte[PAGE];
            random.nextBytes(page);
            pages.put(frame, page);
        }
        return this;
    }

    SampleImage duplicate(long frame, long of) {
        pages.put(frame, pages.get(of));
        return this;
    }

    /// Frames that repeat blocks of the disk.
    SampleImage onDisk(long firstFrame, long firstBlock, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            pages.put(firstFrame + i, block(firstBlock + i));
            blocks.put(firstFrame + i, firstBlock + i);
        }
        return this;
    }

    byte[] block(long number) throws IOException {
        var page = new byte[PAGE];
        try (var channel = FileChannel.open(disk)) {
            channel.read(ByteBuffer.wrap(page), number * PAGE);
        }
        return page;
    }

    void overwrite(long number, byte[] page) throws IOException {
        try (var channel = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(page), number * PAGE);
        }
    }

    interface Action {
        void run() throws IOException;
    }

    /// Cuts the disk off.
    ///
    /// @return what makes it whole again
    Action truncate(int blocksLeft) throws IOException {
        byte[] whole = Files.readAllBytes(disk);
        try (var channel = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            channel.truncate((long) blocksLeft * PAGE);
        }
        return () -> {
            try (var channel = FileChannel.open(disk, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.wrap(whole));
            }
        };
    }

    /// Writes the image; the frames ascend.
    ImageReader write() throws IOException {
        try (var writer = ImageWriter.create(image, java.util.List.of(block))) {
            for (long frame = 0; frame < block.frameCount(); frame++) {
                byte[] page = pages.get(frame);
                if (page == null) {
                    writer.addZero(0, frame);
                } else if (blocks.containsKey(frame)) {
                    writer.addOnDisk(0, frame, 0, blocks.get(frame), Xxh3.hash64(copy(page)));
                } else {
                    writer.addPage(0, frame, ByteBuffer.wrap(page));
                }
            }
            writer.setDiskBlockCounts(1L << 20);
            writer.publish();
        }
        return ImageReader.open(image);
    }

    private static MemorySegment copy(byte[] page) {
        return MemorySegment.ofBuffer(
                ByteBuffer.allocateDirect(page.length).put(page).flip());
    }
}
