package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.index.ByteRange;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SyntheticLayerTest {
    private static final long MIB = 1 << 20;

    @TempDir
    Path folder;

    @Test
    void tellsWhatEveryBlockHoldsBeforeAndAfterARewrite() throws IOException {
        var layer = new SyntheticLayer(folder.resolve("own.raw"), 256 * MIB, 32 * MIB, 7);
        layer.create();
        assertThat(differingBlocks(layer)).isZero();

        List<ByteRange> ranges = layer.rewrite(2 * MIB);

        assertThat(differingBlocks(layer)).isZero();
        assertThat(ranges.stream().mapToLong(ByteRange::lengthBytes).sum()).isEqualTo(2 * MIB);
        var changed = new long[1];
        layer.forEachBlock(block -> changed[0] += layer.isChanged(block) ? 1 : 0);
        assertThat(changed[0]).isEqualTo(512);
    }

    @Test
    void allocatesAsMuchAsIsAskedFor() {
        var layer = new SyntheticLayer(folder.resolve("own.raw"), 1024 * MIB, 160 * MIB, 7);

        assertThat(layer.allocatedBytes()).isEqualTo(160 * MIB);
    }

    private static long differingBlocks(SyntheticLayer layer) throws IOException {
        var expected = new byte[SyntheticLayer.BLOCK_BYTES];
        ByteBuffer found = ByteBuffer.allocate(SyntheticLayer.BLOCK_BYTES);
        long differing = 0;
        try (FileChannel channel = FileChannel.open(layer.file())) {
            for (long block = 0; block < layer.virtualBytes() / expected.length; block++) {
                channel.read(found.clear(), block * expected.length);
                Arrays.fill(expected, (byte) 0);
                if (layer.holds(block)) {
                    layer.content(block, expected);
                }
                differing += Arrays.equals(expected, found.array()) ? 0 : 1;
            }
        }
        return differing;
    }
}
