package dev.dormouse.checkpoint;

import dev.dormouse.base.Command;
import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;

/// A sparse file that stands for the memory of a guest: pages are numbered, and made of a seed.
final class GuestFile implements AutoCloseable {
    static final long SEED = Long.getLong("dormouse.seed", 42);
    final Path path;
    final RamBlock block;
    private final FileChannel channel;

    GuestFile(Path path, int pages) throws IOException {
        this.path = path;
        this.block = new RamBlock("ram0", pages * 4096L);
        this.channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.READ);
        channel.write(ByteBuffer.allocate(1), block.lengthBytes() - 1);
        punch(pages - 1, 1);
    }

    /// Zero pages, holes, duplicates and pages of their own, in runs.
    static GuestFile filled(Path path, int pages) throws IOException {
        var guest = new GuestFile(path, pages);
        var random = new SplittableRandom(SEED);
        for (int page = 0; page < pages; ) {
            int run = Math.min(pages - page, 1 + random.nextInt(150));
            int kind = random.nextInt(4);
            for (int i = page; i < page + run && kind > 0; i++) {
                guest.write(i, kind == 1 ? 0 : kind == 2 ? 1 + random.nextInt(20) : 1000 + i);
            }
            page += run;
        }
        return guest;
    }

    /// @param seed of the content, 0 for zeros
    void write(int page, long seed) throws IOException {
        put(page, content(seed));
    }

    void put(int page, ByteBuffer content) throws IOException {
        channel.write(content, page * 4096L);
    }

    void punch(int page, int count) throws IOException {
        Command.run(
                List.of(
                        "fallocate",
                        "--punch-hole",
                        "--offset",
                        Long.toString(page * 4096L),
                        "--length",
                        Long.toString(count * 4096L),
                        path.toString()),
                Duration.ofSeconds(10));
    }

    static ByteBuffer content(long seed) {
        var page = ByteBuffer.allocateDirect(4096);
        var random = new SplittableRandom(seed);
        for (int at = 0; at < 2048 && seed != 0; at += 8) {
            page.putLong(at, random.nextLong());
        }
        return page;
    }

    ByteBuffer page(long page) throws IOException {
        var bytes = ByteBuffer.allocate(4096);
        channel.read(bytes, page * 4096);
        return bytes.flip();
    }

    /// {@return the first page whose content or class in the image is not what the file has, or -1}
    long firstDifference(ImageReader image) throws IOException {
        try (ExtentBuffer buffer = image.newExtentBuffer()) {
            int inBuffer = -1; // Neighbours mostly lie in one extent.
            for (long page = 0; page < block.frameCount(); page++) {
                boolean zero = page(page).mismatch(ByteBuffer.allocate(4096)) < 0;
                if (zero != (image.pageClass(page) == PageClass.ZERO)) {
                    return page;
                }
                if (!zero && image.pageClass(page) != PageClass.ON_DISK) {
                    int extent = image.extentIndex(page);
                    if (extent != inBuffer) {
                        image.readExtent(extent, buffer);
                        inBuffer = extent;
                    }
                    if (!buffer.page(image.slot(page)).equals(page(page))) {
                        return page;
                    }
                }
            }
            return -1;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
