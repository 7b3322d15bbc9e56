package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.wire.PageRequest;
import dev.dormouse.wire.ReturnPathMessage;
import dev.dormouse.wire.ReturnPathReader;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Takes what the incoming QEMU says and puts its demands into the queue; the reader thread of a restore.
/// It must always read: a full return path would block QEMU's fault thread.
final class ReturnPath {
    private final ReturnPathReader in;
    private final RamLayout layout;
    private final DemandQueue demands;
    private final Thread thread;
    private volatile @Nullable Integer shutCode;
    private List<PageRequest> early = List.of(); // Set before the thread starts.

    ReturnPath(ReturnPathReader in, RamLayout layout, DemandQueue demands) {
        this.in = in;
        this.layout = layout;
        this.demands = demands;
        // A platform thread: the channel is a blocking unix socket, and its latency is the guest's.
        thread = Thread.ofPlatform().daemon().name("return-path").unstarted(this::run);
    }

    void start() {
        start(List.of());
    }

    /// @param early demands that were read already, which go first
    void start(List<PageRequest> early) {
        this.early = List.copyOf(early);
        thread.start();
    }

    /// Waits until QEMU has said that it has everything.
    ///
    /// @throws RestoreException if it said that it failed, or nothing
    void awaitShut(Duration timeout) throws IOException, InterruptedException {
        if (!thread.join(timeout)) {
            throw new RestoreException("return path: QEMU did not end the migration within %d s, see its log"
                    .formatted(timeout.toSeconds()));
        }
        Integer code = shutCode;
        if (code == null || code != 0) {
            String message = "return path: QEMU ended the migration with "
                    + (code == null ? "no word" : "code " + code + ", 0 is success") + ", see its log";
            Exception failure = demands.failure();
            throw failure == null ? new RestoreException(message) : new RestoreException(message, failure);
        }
    }

    private void run() {
        try {
            for (PageRequest request : early) {
                demand(request);
            }
            boolean more = true;
            while (more) {
                more = readOne();
            }
            demands.close(null);
        } catch (IOException | InterruptedException e) {
            demands.close(e);
        }
    }

    /// Reads one event and acts on it; for the reader thread, or in its place where nothing is to run beside.
    ///
    /// @return false when QEMU has closed the connection
    boolean readOne() throws IOException, InterruptedException {
        var event = in.next();
        if (event.isEmpty()) {
            return false;
        }
        switch (event.get()) {
            case PageRequest request -> demand(request);
            case ReturnPathMessage.Shut(int code) -> shutCode = code;
            case ReturnPathMessage.Pong _ -> demands.release(); // The one PING stands behind the devices.
            default -> {} // Acknowledgements, which nobody waits for.
        }
        return true;
    }

    private void demand(PageRequest request) throws InterruptedException {
        long now = System.nanoTime();
        for (long at = 0; at < request.lengthBytes(); at += RamBlock.TARGET_PAGE_BYTES) {
            demands.put(new Demand(layout.frame(request.block(), request.offset() + at), now));
        }
    }
}
