package dev.dormouse.cli;

import dev.dormouse.base.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Reads what an [EventLog] writes, while it is being written. One thread.
final class EventTail implements AutoCloseable {
    private final FileChannel channel;
    private final ByteBuffer buffer = ByteBuffer.allocate(16 << 10);
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    private EventTail(FileChannel channel) {
        this.channel = channel;
    }

    /// Creates the file, which must not exist.
    static EventTail create(Path file) throws IOException {
        return new EventTail(FileChannel.open(
                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.READ));
    }

    /// {@return the events since the last call; a line that is not complete waits}
    List<Map<String, Object>> poll() throws IOException {
        var events = new ArrayList<Map<String, Object>>();
        buffer.clear();
        while (channel.read(buffer) > 0) {
            buffer.flip();
            while (buffer.hasRemaining()) {
                byte next = buffer.get();
                if (next == '\n') {
                    events.add(Json.parseObject(line.toString(StandardCharsets.UTF_8)));
                    line.reset();
                } else {
                    line.write(next);
                }
            }
            buffer.clear();
        }
        return events;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
