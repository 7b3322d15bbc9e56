package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.CaptureOptions;
import dev.dormouse.wire.MigrationStreamReader;
import dev.dormouse.wire.ProtocolException;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.util.List;

/// A migration stream that QEMU has written to a file, as `migrate "exec:cat > FILE"` does.
public final class SavedStream {
    private SavedStream() {}

    /// What the beginning of a stream says about its VM.
    ///
    /// @param machine versioned machine type
    public record Head(String machine, List<RamBlock> blocks) {
        public Head {
            blocks = List.copyOf(blocks);
        }
    }

    /// Reads as far as the list of RAM blocks, and some bytes more.
    ///
    /// @param resource what errors call the stream, such as the name of the file
    /// @throws ProtocolException if it is none, or one of a kind that is refused
    public static Head readHead(ReadableByteChannel channel, String resource) throws IOException {
        var in = new MigrationStreamReader(channel, resource, CaptureOptions.defaults());
        String machine = "";
        while (true) {
            switch (in.next()) {
                case StreamMessage.Configuration configuration -> machine = configuration.machine();
                case StreamMessage.RamStart start -> {
                    return new Head(machine, start.blocks());
                }
                case StreamMessage.EndOfStream _ ->
                    throw new ProtocolException(resource + ": the stream holds no memory");
                default -> {}
            }
        }
    }
}
