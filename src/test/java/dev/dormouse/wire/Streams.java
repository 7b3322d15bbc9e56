package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.DeviceState;
import dev.dormouse.wire.StreamMessage.EndOfPages;
import dev.dormouse.wire.StreamMessage.EndOfStream;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.VmDescription;
import dev.dormouse.wire.StreamMessage.ZeroPage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;

/// Streams for the tests of this package: the messages of small samples, and bytes to messages and back.
public final class Streams {
    static final int RAM_ID = 3;
    static final RamBlock RAM = new RamBlock("pc.ram", 1 << 20);
    static final RamBlock ROM = new RamBlock("pc.bios", 4 * 4096);
    static final List<RamBlock> BLOCKS = List.of(RAM, ROM);
    static final int BUFFER_BYTES = 16 << 10;

    private Streams() {}

    /// What QEMU sends in a capture.
    static List<StreamMessage> capture() {
        return List.of(
                new Header(),
                new Configuration("pc-q35-7.2", List.of()),
                new RamStart(RAM_ID, BLOCKS),
                new RamPart(RAM_ID, false),
                new Page(RAM, 0, page(1)),
                new ZeroPage(RAM, 4096),
                new Page(ROM, 8192, page(2)),
                new EndOfPages(),
                new Command.SwitchoverStart(),
                new RamPart(RAM_ID, true),
                new ZeroPage(ROM, 0),
                new EndOfPages(),
                devices(),
                description(),
                new EndOfStream());
    }

    /// What a restore sends.
    static List<StreamMessage> postcopy() throws IOException {
        return List.of(
                new Header(),
                new Configuration("pc-q35-7.2", List.of()),
                new Command.OpenReturnPath(),
                new Command.Ping(1),
                Command.PostcopyAdvise.of(BLOCKS),
                new RamStart(RAM_ID, BLOCKS),
                Command.PostcopyDiscard.whole(RAM),
                Command.PostcopyDiscard.whole(ROM),
                new DevicePackage(devices(), OptionalInt.of(3)).encode(),
                new RamPart(RAM_ID, false),
                new Page(RAM, 4096, page(3)),
                new EndOfPages(),
                new RamPart(RAM_ID, true),
                new EndOfPages(),
                new EndOfStream());
    }

    /// Two device sections, `timer` and `cpu`, with a zero byte at every place where a cut could slip.
    public static DeviceState devices() {
        var out = new ByteArrayOutputStream();
        out.writeBytes(section(0, "timer", new byte[] {1, 0, 6, 0, 0, 0, 1, '{'}));
        out.writeBytes(section(9, "cpu", new byte[] {0, 0, 0, 7, 0x7e, 0, 0, 0, 9, 0}));
        return new DeviceState(out.toByteArray());
    }

    public static VmDescription description() {
        return new VmDescription("{\"page_size\":4096,\"devices\":["
                + "{\"name\":\"timer\",\"instance_id\":0},{\"name\":\"cpu\",\"instance_id\":0}]}");
    }

    static byte[] section(int id, String name, byte[] body) {
        return ByteBuffer.allocate(1 + 4 + 1 + name.length() + 8 + body.length + 5)
                .put((byte) 4)
                .putInt(id)
                .put((byte) name.length())
                .put(name.getBytes(StandardCharsets.US_ASCII))
                .putInt(0)
                .putInt(1)
                .put(body)
                .put((byte) 0x7e)
                .putInt(id)
                .array();
    }

    public static ByteBuffer page(long seed) {
        byte[] data = new byte[4096];
        new Random(seed).nextBytes(data);
        return ByteBuffer.wrap(data);
    }

    public static byte[] write(List<StreamMessage> messages) throws IOException {
        var out = new ByteArrayOutputStream();
        var writer = new MigrationStreamWriter(Channels.newChannel(out), BUFFER_BYTES);
        for (StreamMessage message : messages) {
            writer.write(message);
        }
        writer.flush();
        return out.toByteArray();
    }

    static List<StreamMessage> read(byte[] bytes, CaptureOptions options) throws IOException {
        return readAll(new MigrationStreamReader(channel(bytes), "vm7", options, BUFFER_BYTES));
    }

    static List<StreamMessage> read(byte[] bytes) throws IOException {
        return read(bytes, CaptureOptions.defaults());
    }

    /// Pulls up to the end. Pages are kept with copies of their data.
    static List<StreamMessage> readAll(MigrationStreamReader reader) throws IOException {
        var messages = new ArrayList<StreamMessage>();
        do {
            StreamMessage next = reader.next();
            if (next instanceof Page(RamBlock block, long offset, ByteBuffer data)) {
                next = new Page(
                        block, offset, ByteBuffer.allocate(4096).put(data).flip());
            }
            messages.add(next);
        } while (!(messages.getLast() instanceof EndOfStream));
        return messages;
    }

    public static ReadableByteChannel channel(byte[] bytes) {
        return Channels.newChannel(new ByteArrayInputStream(bytes));
    }

    /// A channel that hands out as few bytes at a time as a slow socket would.
    static ReadableByteChannel dripping(byte[] bytes, Random random) {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer target) {
                if (!left.hasRemaining()) {
                    return -1;
                }
                int count = Math.min(Math.min(left.remaining(), target.remaining()), 1 + random.nextInt(6000));
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

    static long seed() {
        return Long.getLong("dormouse.seed", System.nanoTime());
    }
}
