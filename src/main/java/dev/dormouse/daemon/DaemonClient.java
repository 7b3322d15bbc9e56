package dev.dormouse.daemon;

import dev.dormouse.base.DormouseException;
import dev.dormouse.engine.Home;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Speaks HTTP over the unix socket of a daemon, as much of it as the daemon answers with: a request for each
/// connection. Nothing but the JDK, because commands start faster without a library. Blocks; any thread.
public final class DaemonClient {
    private static final int HEAD_BYTES_MAX = 64 << 10;
    private static final int BODY_BYTES_MAX = 64 << 20;

    private final Path socket;

    /// {@return where the daemon of a home listens}
    public static Path socket(Home home) {
        return home.runtime().resolve(".daemon"); // No VM has such a name.
    }

    public DaemonClient(Path socket) {
        this.socket = socket;
    }

    /// The daemon answered something that is no HTTP.
    public static final class AnswerException extends DormouseException {
        private static final long serialVersionUID = 1L;

        AnswerException(String message) {
            super(message);
        }
    }

    /// What the daemon answered.
    ///
    /// @param headers by their names in lower case
    public record Answer(int status, Map<String, String> headers, String body) {}

    /// An answer whose body is still to be read.
    ///
    /// @param body ends where the answer does; closing it closes the connection
    public record Stream(int status, Map<String, String> headers, InputStream body) implements Closeable {
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// @param body JSON, null for none
    /// @throws java.net.ConnectException if there is no daemon
    public Answer send(String method, String path, @Nullable String body) throws IOException {
        try (Stream stream = open(method, path, body)) {
            byte[] bytes = stream.body().readNBytes(BODY_BYTES_MAX + 1);
            if (bytes.length > BODY_BYTES_MAX) {
                throw new AnswerException(
                        "%s: answers with more than %d bytes to %s".formatted(socket, BODY_BYTES_MAX, path));
            }
            return new Answer(stream.status(), stream.headers(), new String(bytes, StandardCharsets.UTF_8));
        }
    }

    /// As [#send], but the answer may have no end, as that of `/v1/events`.
    public Stream open(String method, String path, @Nullable String body) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            ByteBuffer request = ByteBuffer.wrap(request(method, path, body));
            while (request.hasRemaining()) {
                channel.write(request);
            }
            return answer(new BufferedInputStream(Channels.newInputStream(channel)));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static byte[] request(String method, String path, @Nullable String body) {
        byte[] content = body == null ? new byte[0] : body.getBytes(StandardCharsets.UTF_8);
        String head = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n"
                .formatted(method, path, content.length, body == null ? "" : "Content-Type: application/json\r\n");
        var bytes = new ByteArrayOutputStream();
        bytes.writeBytes(head.getBytes(StandardCharsets.US_ASCII));
        bytes.writeBytes(content);
        return bytes.toByteArray();
    }

    private Stream answer(InputStream in) throws IOException {
        String[] lines = head(in).split("\r\n");
        String[] first = lines[0].split(" ", 3);
        if (first.length < 2 || !first[0].equals("HTTP/1.1") || !first[1].matches("[1-5][0-9]{2}")) {
            throw new AnswerException("%s: answers '%s', which is not HTTP".formatted(socket, lines[0]));
        }
        var headers = new HashMap<String, String>();
        for (int i = 1; i < lines.length; i++) {
            String[] header = lines[i].split(":", 2);
            headers.put(header[0].toLowerCase(Locale.ROOT), header.length < 2 ? "" : header[1].strip());
        }
        boolean chunked = "chunked".equals(headers.get("transfer-encoding"));
        return new Stream(Integer.parseInt(first[1]), headers, chunked ? new Chunks(in) : in);
    }

    private String head(InputStream in) throws IOException {
        var bytes = new ByteArrayOutputStream();
        int end = 0; // How much of the empty line that ends it was seen.
        while (end < 4) {
            int next = in.read();
            if (next < 0 || bytes.size() >= HEAD_BYTES_MAX) {
                throw new AnswerException("%s: the daemon ended the connection without an answer".formatted(socket));
            }
            bytes.write(next);
            end = next == "\r\n\r\n".charAt(end) ? end + 1 : next == '\r' ? 1 : 0;
        }
        return bytes.toString(StandardCharsets.US_ASCII);
    }

    /// The body of an answer whose length is not told ahead.
    private static final class Chunks extends InputStream {
        private final InputStream in;
        private long left; // Of the chunk.
        private boolean begun;
        private boolean ended;

        Chunks(InputStream in) {
            this.in = in;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, target.length);
            if (left == 0 && !ended) {
                nextChunk();
            }
            if (ended) {
                return -1;
            }
            int count = in.read(target, offset, (int) Math.min(length, left));
            if (count < 0) {
                throw new EOFException("the daemon ended the connection in the middle of its answer");
            }
            left -= count;
            return count;
        }

        private void nextChunk() throws IOException {
            if (begun) {
                line(); // The end of the chunk before.
            }
            begun = true;
            try {
                left = Long.parseLong(line().strip(), 16);
            } catch (NumberFormatException e) {
                throw new IOException("the daemon's answer is not chunked as it says", e);
            }
            ended = left == 0;
        }

        private String line() throws IOException {
            var text = new StringBuilder();
            for (int next = in.read(); next != '\n'; next = in.read()) {
                if (next < 0 || text.length() > HEAD_BYTES_MAX) {
                    throw new EOFException("the daemon ended the connection in the middle of its answer");
                }
                text.append((char) next);
            }
            return text.toString();
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
