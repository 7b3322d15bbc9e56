package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.restore.PageMap;
import dev.dormouse.restore.RestoreListener;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Shows other processes how a restore is getting on, and lets them ask for haste: two small files in the
/// runtime folder, neither of which anything depends on. Passes everything on to the operation's listener.
///
/// All of that happens on a thread of its own: the owner thread of the restore, which calls the methods of
/// [RestoreListener], may never wait for a file system while the guest waits for a page. A rename alone
/// takes hundreds of milliseconds when the disk is busy.
final class RestoreStatus implements RestoreListener {
    private static final long REFRESH_MILLIS = 100;
    private static final long CLOSE_SECONDS = 10;
    private static final long HANG_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final String HANGS =
            "storage: the image or a disk has not answered a read for %d s, its device may hang; the guest waits, and goes on when it answers"
                    .formatted(TimeUnit.NANOSECONDS.toSeconds(HANG_NANOS));
    private static final Progress NONE = new Progress(0, 0, 0, 0, 0);

    private final OperationListener next;
    private final Cancellation cancellation;
    private final Path file;
    private final Path hurryFile;
    private final ScheduledExecutorService relay = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("restore-status").factory());
    private volatile @Nullable String stalledReason;
    private volatile Progress last = NONE;
    private volatile boolean hurry;
    private volatile boolean givesUp;
    private volatile long ranNanos; // When the guest began to run; 0 before that.
    private volatile long turnNanos; // When the owner thread began what it is doing; 0 when it serves no pages.
    private Progress shown = NONE; // Of the relay's thread, as is the next one.
    private boolean shownRuns;

    RestoreStatus(VmSockets sockets, OperationListener next) throws IOException {
        this(sockets, next, new Cancellation());
    }

    /// @param cancellation heeded only while a page cannot be had
    RestoreStatus(VmSockets sockets, OperationListener next, Cancellation cancellation) throws IOException {
        this.next = next;
        this.cancellation = cancellation;
        this.file = sockets.runtime().resolve("restore-status");
        this.hurryFile = hurryFile(sockets);
        Files.deleteIfExists(hurryFile);
        Files.deleteIfExists(file); // Of a page server that was killed: its stall is not ours.
        var _ = relay.scheduleWithFixedDelay(this::refresh, 0, REFRESH_MILLIS, TimeUnit.MILLISECONDS);
    }

    /// Has something written behind the restore's back, in order, before [#drain] returns.
    void later(Runnable write) {
        relay.execute(write);
    }

    /// Waits until everything that was handed over has happened.
    void drain() throws IOException {
        try {
            relay.submit(() -> {}).get(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("interrupted while the state of a restore was written", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new VmException(file + ": the state of the restore cannot be written, is the disk stuck?", e);
        }
    }

    private void refresh() {
        hurry = next.hurry() || Files.exists(hurryFile);
        givesUp = cancellation.isWanted();
        lookForHang();
        Progress now = last;
        boolean runs = ranNanos != 0;
        if (!now.equals(shown) || runs != shownRuns) {
            shown = now;
            shownRuns = runs;
            write();
            next.progress(now);
        }
    }

    /// The owner thread cannot tell that it waits for a device, which may be for ever.
    private void lookForHang() {
        long since = turnNanos;
        boolean hangs = since != 0 && System.nanoTime() - since >= HANG_NANOS;
        if (hangs && stalledReason == null) {
            stalled(HANGS);
        } else if (!hangs && HANGS.equals(stalledReason)) {
            unstalled();
        }
    }

    /// @param guestRuns whether the guest runs, so that others may touch its memory
    /// @param stalledReason null unless a page cannot be served, or the restore has failed
    @io.avaje.jsonb.Json
    record Report(
            long placedPages,
            long nonZeroPages,
            boolean guestRuns,
            @Nullable String stalledReason) {}

    static Optional<Report> read(VmSockets sockets) {
        try {
            return Optional.of(
                    Json.parse(Report.class, Files.readString(sockets.runtime().resolve("restore-status"))));
        } catch (IOException | IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    /// Asks the page server of the VM to place the rest as fast as it can.
    static void askForHaste(VmSockets sockets) throws IOException {
        Files.write(hurryFile(sockets), new byte[0]);
    }

    /// Ends it. What a failed restore leaves is the reason, for whoever asks why the guest waits.
    ///
    /// @param failure why the restore ended before its time, null if it did not
    void close(@Nullable Exception failure) throws IOException {
        relay.execute(this::refresh); // The last progress.
        relay.shutdown();
        try {
            var _ = relay.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        Files.deleteIfExists(hurryFile);
        if (failure == null) {
            Files.deleteIfExists(file);
        } else {
            stalledReason = Objects.requireNonNullElse(failure.getMessage(), failure.toString());
            shown = last;
            write();
        }
    }

    @Override
    public void progress(Progress progress) {
        last = progress;
    }

    @Override
    public void reached(RestoreStep step) {
        next.reached(step);
    }

    /// The guest runs.
    void running() {
        ranNanos = System.nanoTime();
    }

    @Override
    public long ranNanos() {
        return ranNanos;
    }

    @Override
    public void placed(long pages, long ofPages) {
        turnNanos = pages < ofPages ? System.nanoTime() : 0;
        next.placed(pages, ofPages);
    }

    @Override
    public void serving(PageMap pages) {
        next.serving(pages);
    }

    @Override
    public void placement(List<String> ways, String reason) {
        later(() -> next.placement(ways, reason));
    }

    @Override
    public void gentle() {
        later(next::gentle);
    }

    @Override
    public void stalled(String reason) {
        stalledReason = reason;
        later(() -> {
            write();
            next.stalled(reason);
        });
    }

    boolean isStalled() {
        return stalledReason != null;
    }

    @Override
    public void unstalled() {
        stalledReason = null;
        later(() -> {
            write();
            next.unstalled();
        });
    }

    @Override
    public boolean hurry() {
        return hurry;
    }

    @Override
    public boolean givesUp() {
        return givesUp;
    }

    private void write() {
        try {
            Path aside = file.resolveSibling("restore-status.new");
            Files.writeString(
                    aside,
                    Json.write(new Report(shown.placedPages(), shown.nonZeroPages(), ranNanos != 0, stalledReason)));
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException _) {
            // Only a display; the restore goes on without it.
        }
    }

    private static Path hurryFile(VmSockets sockets) {
        return sockets.runtime().resolve("hurry");
    }
}
