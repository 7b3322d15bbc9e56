package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The client of the probe in a guest; `guest/README.md` describes what it speaks. One client per life of a QEMU
/// process: after a restore a new one is connected to the new QEMU's sockets, while the probe in the guest carries on.
///
/// Any thread may call; commands of several threads may be under way at once, though the guest carries out the long
/// ones one after the other. A command whose answer did not come in time may still take effect.
public final class GuestProbe implements AutoCloseable {
    /// Ten minutes of reports: 100 a second, about 0.5 KB each.
    private static final int REPORTS_MAX = 60_000;

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._/-]{1,31}");

    private final ProbePorts ports;
    private final ReportRing reports = new ReportRing(REPORTS_MAX);
    private final Map<String, CompletableFuture<String>> pending = new ConcurrentHashMap<>();
    // Ids of another client do not match: its late answers may arrive here after a restore.
    private final String idPrefix =
            Integer.toHexString(ThreadLocalRandom.current().nextInt());
    private final AtomicLong lastId = new AtomicLong();
    private volatile @Nullable ProbeException end;

    private GuestProbe(Path rateSocket, Path controlSocket, Duration timeout) throws IOException {
        long deadlineNanos = System.nanoTime() + timeout.toNanos();
        ports = new ProbePorts(rateSocket, controlSocket, deadlineNanos, reports::add, this::answer, this::ended);
    }

    /// Connects to the sockets behind the guest's two ports, which QEMU listens on. Returns before the guest answers:
    /// [#ping] with a generous bound waits for that.
    public static GuestProbe connect(Path rateSocket, Path controlSocket, Duration timeout) throws IOException {
        GuestProbe probe = new GuestProbe(rateSocket, controlSocket, timeout);
        probe.ports.start();
        try {
            // Ends a line that a former client left half sent; an empty line has no answer.
            probe.ports.send("", timeout);
        } catch (IOException e) {
            probe.close();
            throw e;
        }
        return probe;
    }

    /// The round trip of a nonce, answered by a real-time thread of the guest. What is sent before the guest listens
    /// waits in the socket, so this also waits for a guest that boots or is being restored.
    public Duration ping(String nonce, Duration timeout) throws IOException, InterruptedException {
        long start = System.nanoTime();
        String echo = ask(timeout, "ping", named(nonce)).words();
        if (!echo.equals(nonce)) {
            throw new ProbeException("guest: nonce '%s' came back as '%s'".formatted(nonce, echo));
        }
        return Duration.ofNanos(System.nanoTime() - start);
    }

    /// Starts the work loop anew with a working set of this size, every page brought in; 0 stops it.
    public void work(int mebibytes, Duration timeout) throws IOException, InterruptedException {
        ask(timeout, "work", mebibytes);
    }

    /// Starts a workload of the benchmarks' Debian and waits until it has brought the guest to its state. From then
    /// on its operations are reported in the place of the work loop's iterations.
    ///
    /// @return the name of these operations
    public String workload(String name, Duration timeout) throws IOException, InterruptedException {
        return ask(timeout, "workload", named(name)).text("meter");
    }

    /// Fills a new region of memory with a pattern, no two pages alike; `entropyPercent` of each page does not
    /// compress.
    public long fill(String region, long seed, int mebibytes, int entropyPercent, Duration timeout)
            throws IOException, InterruptedException {
        return ask(timeout, "fill", named(region), Long.toUnsignedString(seed), mebibytes, entropyPercent)
                .number("bytes");
    }

    /// Compares every byte of a region with its pattern.
    ///
    /// @return the bytes compared
    /// @throws ProbeException if a page differs; the message names it
    public long verify(String region, Duration timeout) throws IOException, InterruptedException {
        return ask(timeout, "verify", named(region)).number("bytes");
    }

    public void free(String region, Duration timeout) throws IOException, InterruptedException {
        ask(timeout, "free", named(region));
    }

    /// Files that were read through the guest's page cache and had the right checksum.
    public record FilesRead(long files, long bytes) {}

    /// Reads every file of the disk and verifies its checksum.
    public FilesRead read(Duration timeout) throws IOException, InterruptedException {
        ProbeAnswer answer = ask(timeout, "read");
        return new FilesRead(answer.number("files"), answer.number("bytes"));
    }

    /// As [#read], but stops behind the file that makes it this much.
    public FilesRead readSome(int mebibytes, Duration timeout) throws IOException, InterruptedException {
        ProbeAnswer answer = ask(timeout, "readsome", mebibytes);
        return new FilesRead(answer.number("files"), answer.number("bytes"));
    }

    /// How long the guest took, by its own clock, to touch pages.
    ///
    /// @param touches each of them by its latency
    public record Touches(Duration elapsed, Duration pageMax, LatencyHistogram touches) {
        private static Touches of(ProbeAnswer answer) throws ProbeException {
            return new Touches(
                    Duration.ofNanos(answer.number("nanos")),
                    Duration.ofNanos(answer.number("maxpagenanos")),
                    answer.histogram());
        }
    }

    /// Allocates memory, touches every page, checks that it is zero, gives it back.
    public Touches touch(int mebibytes, Duration timeout) throws IOException, InterruptedException {
        return Touches.of(ask(timeout, "touch", mebibytes));
    }

    /// Reads a word of each of some pages of a region, chosen at random by the seed.
    ///
    /// @param pause between two of them
    public Touches sample(String region, int count, long seed, Duration pause, Duration timeout)
            throws IOException, InterruptedException {
        return Touches.of(ask(
                timeout,
                "sample",
                named(region),
                count,
                Long.toUnsignedString(seed),
                TimeUnit.NANOSECONDS.toMicros(pause.toNanos())));
    }

    /// Writes a file of seeded bytes on the guest's disk and syncs it.
    public void write(String path, long seed, int kibibytes, Duration timeout)
            throws IOException, InterruptedException {
        ask(timeout, "write", named(path), Long.toUnsignedString(seed), kibibytes);
    }

    /// Compares a file with what [#write] of the same arguments wrote.
    public void check(String path, long seed, int kibibytes, Duration timeout)
            throws IOException, InterruptedException {
        ask(timeout, "check", named(path), Long.toUnsignedString(seed), kibibytes);
    }

    /// Gives clean page cache back to the guest's kernel, files of the work loop apart: those are mapped.
    public void dropCaches(Duration timeout) throws IOException, InterruptedException {
        ask(timeout, "dropcaches");
    }

    public void sync(Duration timeout) throws IOException, InterruptedException {
        ask(timeout, "sync");
    }

    public record GuestInfo(long memoryBytes, long availableBytes, int cpus, Duration uptime) {}

    public GuestInfo info(Duration timeout) throws IOException, InterruptedException {
        ProbeAnswer answer = ask(timeout, "info");
        return new GuestInfo(
                answer.number("memorybytes"),
                answer.number("availablebytes"),
                Math.toIntExact(answer.number("cpus")),
                Duration.ofNanos(answer.number("uptimenanos")));
    }

    /// Syncs the disk and turns the guest off; its QEMU exits soon after the answer.
    public void powerOff(Duration timeout) throws IOException, InterruptedException {
        ask(timeout, "poweroff");
    }

    /// {@return the reports that arrived at or after this time of [System#nanoTime], at most the last ten minutes}
    public List<TimedReport> reportsSince(long arrivalNanos) {
        return reports.since(arrivalNanos);
    }

    private ProbeAnswer ask(Duration timeout, String verb, Object... arguments)
            throws IOException, InterruptedException {
        StringBuilder command = new StringBuilder(verb);
        for (Object argument : arguments) {
            command.append(' ').append(argument);
        }
        String id = idPrefix + "-" + lastId.incrementAndGet();
        CompletableFuture<String> answer = new CompletableFuture<>();
        pending.put(id, answer);
        try {
            checkAlive();
            ports.send(id + " " + command, timeout);
            return new ProbeAnswer(command.toString(), answer.get(timeout.toNanos(), TimeUnit.NANOSECONDS)).orThrow();
        } catch (TimeoutException e) {
            throw new ProbeException("guest: no answer to '%s' within %d ms".formatted(command, timeout.toMillis()), e);
        } catch (ExecutionException e) {
            throw new ProbeException("guest: the answer to '%s' will not come".formatted(command), e.getCause());
        } finally {
            pending.remove(id);
        }
    }

    private void checkAlive() throws ProbeException {
        ProbeException cause = end;
        if (cause != null) {
            throw new ProbeException("guest: the probe is gone, connect to its QEMU again", cause);
        }
    }

    private void answer(String line) {
        int space = line.indexOf(' ');
        CompletableFuture<String> waiting = space < 0 ? null : pending.get(line.substring(0, space));
        if (waiting != null) {
            waiting.complete(line.substring(space + 1));
        }
    }

    private void ended(ProbeException cause) {
        end = cause; // Before the loop: who is put into the map after it sees the end.
        pending.values().forEach(waiting -> waiting.completeExceptionally(cause));
    }

    /// A name is one word on the wire and at most what the guest keeps.
    private static String named(String name) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("'" + name + "' is no name for the probe, " + NAME + " is");
        }
        return name;
    }

    @Override
    public void close() throws IOException {
        ports.close();
    }
}
