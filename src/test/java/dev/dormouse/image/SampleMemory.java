package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.SplittableRandom;

/// Guest memory for tests, drawn from a seed: a third zero, some duplicates, the rest text-like or
/// random.
final class SampleMemory {
    final long seed;
    final List<RamBlock> blocks;
    private final ByteBuffer bytes;

    SampleMemory(long seed, long... blockPages) {
        this.seed = seed;
        var list = new java.util.ArrayList<RamBlock>();
        long total = 0;
        for (long pages : blockPages) {
            list.add(new RamBlock("block" + list.size(), pages * 4096));
            total += pages;
        }
        blocks = List.copyOf(list);
        bytes = ByteBuffer.allocateDirect((int) total * 4096).order(ByteOrder.LITTLE_ENDIAN);
        fill(new SplittableRandom(seed));
    }

    private void fill(SplittableRandom random) {
        for (int frame = 0; frame < frameCount(); frame++) {
            int kind = random.nextInt(10);
            if (kind < 3) {
                continue;
            }
            if (kind == 3 && frame > 0) {
                int other = random.nextInt(frame);
                bytes.put(frame * 4096, bytes, other * 4096, 4096);
                continue;
            }
            for (int at = 0; at < 4096; at += 8) {
                bytes.putLong(frame * 4096 + at, kind < 6 ? random.nextLong() : random.nextInt(7) + kind);
            }
        }
    }

    int frameCount() {
        return bytes.capacity() / 4096;
    }

    ByteBuffer page(long frame) {
        return bytes.slice((int) frame * 4096, 4096);
    }

    boolean isZero(long frame) {
        return page(frame).mismatch(ByteBuffer.allocate(4096)) < 0;
    }

    /// Adds all pages, block by block.
    void writeTo(ImageWriter writer) throws java.io.IOException {
        long frame = 0;
        for (int block = 0; block < blocks.size(); block++) {
            for (long inBlock = 0; inBlock < blocks.get(block).frameCount(); inBlock++) {
                writer.addPage(block, inBlock, page(frame++));
            }
        }
    }
}
