package dev.dormouse.micro;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.MigrationStreamWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/// Encoding page records of QEMU's migration stream, into a channel that takes everything and keeps nothing.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class RecordBenchmark {
    private static final int PAGES = 1 << 20;
    private final RamBlock block = new RamBlock("pc.ram", (long) PAGES * RamBlock.TARGET_PAGE_BYTES);
    private final ByteBuffer data = ByteBuffer.allocateDirect(RamBlock.TARGET_PAGE_BYTES);
    private MigrationStreamWriter out;
    private long page;

    /// Begins the part of the stream that holds pages.
    @Setup
    public void begin() throws IOException {
        out = new MigrationStreamWriter(new Nowhere());
        out.beginPart(2, false);
    }

    private long nextOffset() {
        page = (page + 1) % PAGES;
        return page * RamBlock.TARGET_PAGE_BYTES;
    }

    /// A page that is not zero.
    @Benchmark
    public long pageRecord() throws IOException {
        out.page(block, nextOffset(), data.duplicate());
        return out.writtenBytes();
    }

    /// A page of zeros.
    @Benchmark
    public long zeroPageRecord() throws IOException {
        out.zeroPage(block, nextOffset());
        return out.writtenBytes();
    }

    private static final class Nowhere implements WritableByteChannel {
        @Override
        public int write(ByteBuffer bytes) {
            int count = bytes.remaining();
            bytes.position(bytes.limit());
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
