package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.wire.ProtocolException;
import dev.dormouse.wire.ReturnPathReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.ReadableByteChannel;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A QEMU that says nothing, hangs up in the middle, or asks without end.
@Timeout(60)
class HostileReturnPathTest {
    private static final RamBlock RAM = new RamBlock("ram", 100 * 4096);

    private final DemandQueue demands = new DemandQueue();

    private ReturnPath start(ReadableByteChannel channel) {
        var reader = new ReturnPathReader(channel, "vm7", List.of(RAM));
        var path = new ReturnPath(reader, new RamLayout(List.of(RAM)), demands);
        path.start();
        return path;
    }

    private static ByteBuffer request(long offset, int lengthBytes) {
        return ByteBuffer.allocate(20)
                .putShort((short) 3)
                .putShort((short) 16)
                .putLong(offset)
                .putInt(lengthBytes)
                .put(new byte[] {3, 'r', 'a', 'm'})
                .flip();
    }

    /// Bytes come as fast as they are read, so whatever is kept of them would show.
    @Test
    void aMillionRequestsForOnePageAreNeverKept() throws Exception {
        ReturnPath path = start(new Repeated(request(5 * 4096, 4096), 1_000_000));

        long count = 0;
        while (!demands.isClosed() || !demands.isEmpty()) {
            Demand demand = demands.poll(1_000_000);
            if (demand != null) {
                assertThat(demand.frame()).isEqualTo(5);
                count++;
            }
        }

        assertThat(count).isEqualTo(1_000_000);
        assertThatThrownBy(() -> path.awaitShut(Duration.ofSeconds(30)))
                .isInstanceOf(RestoreException.class)
                .hasMessage("return path: QEMU ended the migration with no word, see its log");
    }

    @Test
    void aServerThatHasEndedDoesNotHoldTheReaderUp() throws Exception {
        demands.discard();
        ReturnPath path = start(new Repeated(request(0, 100 * 4096), 100_000));

        assertThatThrownBy(() -> path.awaitShut(Duration.ofSeconds(30))).isInstanceOf(RestoreException.class);
        assertThat(demands.isEmpty() || demands.isClosed()).isTrue();
    }

    @Test
    void silenceEndsAfterABound() throws Exception {
        Pipe pipe = Pipe.open();
        try (var _ = pipe.sink()) {
            ReturnPath path = start(pipe.source());

            assertThatThrownBy(() -> path.awaitShut(Duration.ofSeconds(1)))
                    .isInstanceOf(RestoreException.class)
                    .hasMessage("return path: QEMU did not end the migration within 1 s, see its log");
        }
    }

    @Test
    void aHangUpInsideOfAMessageIsAnError() throws Exception {
        for (int length = 1; length < 20; length++) {
            var queue = new DemandQueue();
            Pipe pipe = Pipe.open();
            pipe.sink().write(request(4096, 4096).limit(length));
            pipe.sink().close();
            var reader = new ReturnPathReader(pipe.source(), "vm7", List.of(RAM));
            var path = new ReturnPath(reader, new RamLayout(List.of(RAM)), queue);
            path.start();

            assertThatThrownBy(() -> path.awaitShut(Duration.ofSeconds(30))).isInstanceOf(RestoreException.class);
            assertThat(queue.failure())
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageStartingWith("vm7: stream ends at byte " + length + " inside ");
            assertThat(queue.isEmpty()).isTrue();
        }
    }

    @Test
    void aRequestOutsideOfMemoryDemandsNothing() throws Exception {
        for (long offset : new long[] {100 * 4096, -4096, Long.MAX_VALUE - 4095, 1}) {
            var queue = new DemandQueue();
            var reader = new ReturnPathReader(new Repeated(request(offset, 4096), 1), "vm7", List.of(RAM));
            var path = new ReturnPath(reader, new RamLayout(List.of(RAM)), queue);
            path.start();

            assertThatThrownBy(() -> path.awaitShut(Duration.ofSeconds(30))).isInstanceOf(RestoreException.class);
            assertThat(queue.failure()).isInstanceOf(ProtocolException.class);
            assertThat(queue.isEmpty()).isTrue();
        }
    }

    /// The same bytes again and again, without keeping them.
    private static final class Repeated implements ReadableByteChannel {
        private final ByteBuffer bytes;
        private int left;

        Repeated(ByteBuffer bytes, int times) {
            this.bytes = bytes.duplicate();
            this.left = times;
        }

        @Override
        public int read(ByteBuffer into) throws IOException {
            if (left == 0) {
                return -1;
            }
            int before = into.position();
            while (left > 0 && into.hasRemaining()) {
                ByteBuffer part = bytes.slice(bytes.position(), Math.min(bytes.remaining(), into.remaining()));
                into.put(part);
                bytes.position(bytes.position() + part.limit());
                if (!bytes.hasRemaining()) {
                    bytes.rewind();
                    left--;
                }
            }
            return into.position() - before;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
