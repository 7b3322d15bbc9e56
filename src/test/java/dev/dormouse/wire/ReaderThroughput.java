package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.EndOfStream;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamStart;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// How fast page data passes the reader and the writer on this machine; prints, asserts nothing. Run its
/// `main` by hand.
///
/// - memory: a capture lies in memory, its channel copies it into the reader's buffer;
/// - socket: the writer on one thread, the reader on another, a unix socket between them.
final class ReaderThroughput {
    private static final RamBlock RAM = new RamBlock("pc.ram", 256L << 20);
    private static final int ROUNDS = 12;

    private ReaderThroughput() {}

    public static void main(String[] arguments) throws Exception {
        byte[] stream = stream();
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            long sum = read(channel(stream));
            report("memory", System.nanoTime() - start, sum);
        }
        for (int round = 0; round < ROUNDS / 2; round++) {
            long start = System.nanoTime();
            report("socket", -start, throughSocket());
        }
    }

    private static void report(String what, long nanos, long sum) {
        long taken = nanos < 0 ? System.nanoTime() + nanos : nanos;
        System.out.printf("%s %.2f GB/s (sum %d)%n", what, RAM.lengthBytes() / (double) taken, sum);
    }

    private static byte[] stream() throws IOException {
        ByteBuffer target = ByteBuffer.allocate((int) (RAM.lengthBytes() / 4096 * 4104) + (1 << 20));
        write(new WritableByteChannel() {
            @Override
            public int write(ByteBuffer source) {
                int count = source.remaining();
                target.put(source);
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        });
        byte[] bytes = new byte[target.flip().limit()];
        target.get(bytes);
        return bytes;
    }

    private static void write(WritableByteChannel channel) throws IOException {
        var writer = new MigrationStreamWriter(channel);
        ByteBuffer page = ByteBuffer.allocateDirect(4096).put(Streams.page(1)).flip();
        writer.write(new Header());
        writer.write(new Configuration("q35", List.of()));
        writer.write(new RamStart(Streams.RAM_ID, List.of(RAM)));
        writer.beginPart(Streams.RAM_ID, true);
        for (long offset = 0; offset < RAM.lengthBytes(); offset += 4096) {
            writer.page(RAM, offset, page);
        }
        writer.endPart();
        writer.write(Streams.devices());
        writer.write(Streams.description());
        writer.write(new EndOfStream());
        writer.flush();
    }

    /// Touches one word of each page, so that nothing can be left out.
    private static long read(ReadableByteChannel channel) throws IOException {
        var reader = new MigrationStreamReader(channel, "bench", CaptureOptions.defaults());
        long sum = 0;
        while (true) {
            switch (reader.next()) {
                case Page page -> sum += page.data().getLong(0) + page.offset();
                case EndOfStream() -> {
                    return sum;
                }
                default -> {}
            }
        }
    }

    private static ReadableByteChannel channel(byte[] bytes) {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer target) {
                if (!left.hasRemaining()) {
                    return -1;
                }
                int count = Math.min(left.remaining(), target.remaining());
                target.put(left.slice(left.position(), count));
                left.position(left.position() + count);
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }

    private static long throughSocket() throws Exception {
        Path folder = Files.createTempDirectory("wire");
        var address = UnixDomainSocketAddress.of(folder.resolve("s"));
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address);
            var sender = Thread.ofPlatform().start(() -> {
                try (var out = SocketChannel.open(address)) {
                    write(out);
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            try (var in = server.accept()) {
                long sum = read(in);
                sender.join();
                return sum;
            }
        } finally {
            Files.deleteIfExists(folder.resolve("s"));
            Files.delete(folder);
        }
    }
}
