package dev.dormouse.wire;

import dev.dormouse.wire.StreamMessage.EndOfStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Fuzz target: a migration stream, as of a capture, of a capture of shared memory, or of a recovery; the first
/// byte says which.
///
/// Invariants: it is read to its end or refused with a [ProtocolException] of one line that names the stream; every
/// message takes bytes, so that no stream is endless.
public final class StreamFuzz {
    private StreamFuzz() {}

    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        if (data.length == 0) {
            return;
        }
        byte[] stream = Arrays.copyOfRange(data, 1, data.length);
        try {
            read(reader(data[0], stream), stream.length);
        } catch (ProtocolException e) {
            if (!e.getMessage().startsWith("vm7: ") || e.getMessage().indexOf('\n') >= 0) {
                throw new AssertionError("error that does not name the stream in one line", e);
            }
        }
    }

    private static MigrationStreamReader reader(int kind, byte[] stream) {
        CaptureOptions options = CaptureOptions.defaults().withDeviceStateBytesMax(1 << 20);
        if (kind == 2) {
            return MigrationStreamReader.ofRecovery(Streams.channel(stream), "vm7", Streams.RAM_ID, Streams.BLOCKS);
        }
        return new MigrationStreamReader(
                Streams.channel(stream),
                "vm7",
                options.withIgnoreShared(kind == 1).withVmDescriptionRequired(kind != 3),
                Streams.BUFFER_BYTES);
    }

    private static void read(MigrationStreamReader reader, int lengthBytes) throws IOException {
        int messagesMax = lengthBytes + 3; // The end of what follows the pages takes up to three.
        for (int messages = 0; messages < messagesMax; messages++) {
            StreamMessage message = reader.next();
            if (message instanceof Command.Packaged packaged) {
                DevicePackage.decode(packaged, "vm7");
            }
            if (message instanceof EndOfStream) {
                return;
            }
        }
        throw new AssertionError("more messages than bytes");
    }

    public static List<byte[]> seeds(Path folder) throws IOException {
        var seeds = new ArrayList<byte[]>();
        byte[] capture = Streams.write(Streams.capture());
        byte[] postcopy = Streams.write(Streams.postcopy());
        seeds.add(prefixed(0, capture));
        seeds.add(prefixed(0, postcopy));
        seeds.add(prefixed(1, HostileStreamTest.sharedCapture()));
        seeds.add(prefixed(3, capture));
        // What a recovery sends: parts and commands without an opening.
        int opening = Streams.write(Streams.postcopy().subList(0, 9)).length;
        seeds.add(prefixed(2, Arrays.copyOfRange(postcopy, opening, postcopy.length)));
        return seeds;
    }

    private static byte[] prefixed(int first, byte[] rest) {
        var bytes = new ByteArrayOutputStream();
        bytes.write(first);
        bytes.writeBytes(rest);
        return bytes.toByteArray();
    }
}
