package dev.dormouse.bench;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/// The two sockets to a guest's probe and the thread that reads them, apart from what the lines mean.
///
/// Both channels are non-blocking: a guest that is stopped does not read, and no caller may hang on it for longer
/// than its own bound. Consumers are called on the reader's thread.
final class ProbePorts implements AutoCloseable {
    private static final int LINE_BYTES_MAX = 1024;
    private static final long RETRY_NANOS = 1_000_000;
    private static final long JOIN_MILLIS = 2000;

    private final SocketChannel rate;
    private final SocketChannel control;
    private final Selector selector;
    private final Thread reader;
    private final RateReportDecoder reports = new RateReportDecoder();
    private final ByteBuffer line = ByteBuffer.allocate(LINE_BYTES_MAX);
    private final Consumer<TimedReport> onReport;
    private final Consumer<String> onLine;
    private final Consumer<ProbeException> onEnd;

    /// Waits until both sockets accept, at most until the deadline of [System#nanoTime].
    ProbePorts(
            Path rateSocket,
            Path controlSocket,
            long deadlineNanos,
            Consumer<TimedReport> onReport,
            Consumer<String> onLine,
            Consumer<ProbeException> onEnd)
            throws IOException {
        this.onReport = onReport;
        this.onLine = onLine;
        this.onEnd = onEnd;
        rate = connect(rateSocket, deadlineNanos);
        try {
            control = connect(controlSocket, deadlineNanos);
            selector = Selector.open();
            rate.register(selector, SelectionKey.OP_READ);
            control.register(selector, SelectionKey.OP_READ);
        } catch (IOException e) {
            rate.close();
            throw e;
        }
        reader = Thread.ofPlatform().daemon().name("guest-probe").unstarted(this::read);
    }

    void start() {
        reader.start();
    }

    private static SocketChannel connect(Path socket, long deadlineNanos) throws IOException {
        while (true) {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.connect(UnixDomainSocketAddress.of(socket));
                channel.configureBlocking(false);
                return channel;
            } catch (IOException e) {
                channel.close();
                if (System.nanoTime() - deadlineNanos >= 0
                        || Thread.currentThread().isInterrupted()) {
                    throw new ProbeException(socket + ": nobody accepts a connection, QEMU must listen there", e);
                }
            }
            LockSupport.parkNanos(RETRY_NANOS); // QEMU makes its sockets some 50 ms after its start.
        }
    }

    /// Sends one line. Lines of several threads do not mix.
    synchronized void send(String text, Duration timeout) throws IOException {
        long deadline = System.nanoTime() + timeout.toNanos();
        ByteBuffer bytes = ByteBuffer.wrap((text + "\n").getBytes(StandardCharsets.US_ASCII));
        while (true) {
            control.write(bytes);
            if (!bytes.hasRemaining()) {
                return;
            }
            if (System.nanoTime() - deadline >= 0) {
                throw new ProbeException(
                        "control port: not read for " + timeout.toMillis() + " ms, is the guest stopped?");
            }
            LockSupport.parkNanos(RETRY_NANOS);
        }
    }

    private void read() {
        ProbeException end;
        try {
            while (true) {
                selector.select();
                Set<SelectionKey> ready = selector.selectedKeys();
                synchronized (ready) { // Whoever closes the selector empties it.
                    for (SelectionKey key : ready) {
                        if (key.channel().equals(rate)) {
                            readReports();
                        } else {
                            readLines();
                        }
                    }
                    ready.clear();
                }
            }
        } catch (ProbeException e) {
            end = e;
        } catch (ClosedSelectorException | IOException e) {
            end = new ProbeException("probe ports: closed", e);
        }
        onEnd.accept(end);
    }

    private void readReports() throws IOException {
        checkOpen(rate.read(reports.space()), "rate");
        long arrivalNanos = System.nanoTime();
        for (Optional<RateReport> next = reports.next(); next.isPresent(); next = reports.next()) {
            onReport.accept(new TimedReport(arrivalNanos, next.get()));
        }
    }

    private void readLines() throws IOException {
        checkOpen(control.read(line), "control");
        line.flip();
        byte[] bytes = new byte[line.remaining()];
        line.get(bytes);
        int start = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\n') {
                onLine.accept(new String(bytes, start, i - start, StandardCharsets.US_ASCII));
                start = i + 1;
            }
        }
        line.clear();
        line.put(bytes, start, bytes.length - start);
        if (!line.hasRemaining()) {
            throw new ProbeException(
                    "control port: a line of over %d bytes, is the peer the probe?".formatted(LINE_BYTES_MAX));
        }
    }

    private static void checkOpen(int readBytes, String port) throws ProbeException {
        if (readBytes < 0) {
            throw new ProbeException(port + " port: QEMU hung up");
        }
    }

    /// Ends the reader, which is not running any more afterwards.
    @Override
    public void close() throws IOException {
        selector.close();
        rate.close();
        control.close();
        try {
            reader.join(JOIN_MILLIS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
