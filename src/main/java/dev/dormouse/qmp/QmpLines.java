package dev.dormouse.qmp;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// Splits what a monitor sends into lines, bounded in length and in depth of nesting so that no peer
/// can exhaust the heap or the stack of the JSON parser. One thread.
final class QmpLines {
    static final int LINE_BYTES_MAX = 16 << 20;
    static final int DEPTH_MAX = 64; // QEMU's replies nest about ten deep; a chain of many disks more.

    private final ReadableByteChannel channel;
    private final ByteBuffer chunk = ByteBuffer.allocate(64 << 10).flip();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    QmpLines(ReadableByteChannel channel) {
        this.channel = channel;
    }

    /// {@return the next line that is not blank, or null at the end of the stream; an unfinished line is dropped}
    @Nullable
    String next() throws IOException {
        while (true) {
            if (!chunk.hasRemaining() && !fill()) return null;
            if (takeUntilNewline()) {
                String text = line.toString(StandardCharsets.UTF_8);
                line.reset();
                if (!text.isBlank()) return checkDepth(text);
            }
        }
    }

    private boolean fill() throws IOException {
        chunk.clear();
        int count = channel.read(chunk);
        chunk.flip();
        return count >= 0;
    }

    private boolean takeUntilNewline() throws QmpConnectionException {
        while (chunk.hasRemaining()) {
            byte b = chunk.get();
            if (b == '\n') return true;
            if (line.size() == LINE_BYTES_MAX) {
                throw new QmpConnectionException("a line is longer than the " + LINE_BYTES_MAX + " bytes allowed");
            }
            line.write(b);
        }
        return false;
    }

    private static String checkDepth(String text) throws QmpConnectionException {
        int depth = 0;
        boolean quoted = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quoted) {
                if (c == '\\') i++;
                else if (c == '"') quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == '{' || c == '[') {
                depth++;
                if (depth > DEPTH_MAX) {
                    throw new QmpConnectionException("JSON nests deeper than the " + DEPTH_MAX + " levels allowed");
                }
            } else if (c == '}' || c == ']') {
                depth--;
            }
        }
        return text;
    }
}
