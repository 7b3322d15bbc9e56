package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.Command;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.PageRequest;
import dev.dormouse.wire.ReturnPathEvent;
import dev.dormouse.wire.ReturnPathMessage;
import dev.dormouse.wire.ReturnPathReader;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;

/// Carries on with a lazy restore whose page server died after RUN. QEMU is paused in its migration and
/// hands out no demands, and its main loop may itself wait for a page, so that not even its monitor
/// answers. Therefore, in this order: place everything that is missing directly, which wakes whoever
/// waits; then take the migration up again (`docs/protocol.md`, recovery) for the blocks that go through
/// the stream, and end it.
///
/// What is missing is learnt from QEMU's memory, not from its received bitmap, which does not know of
/// pages that were placed directly. The calling thread owns everything.
public final class RestoreRecovery implements AutoCloseable {
    private static final Duration ATTACH_TIMEOUT = Duration.ofSeconds(2);
    private static final int FAILURES_MAX = 16;
    private static final Duration SHUT_TIMEOUT = Duration.ofMinutes(2);

    private final String resource;
    private final PreparedImage image;
    private final RamLayout layout;
    private final ImagePageSource source;
    private final FrameSet present;
    private final RestoreListener listener;
    private final MigrationStreamWriter out;
    private final DirectPlacer placer;
    private final long qemuPid;

    /// @param channel a place for the connection that [#finish] gets; nothing is sent before
    /// @throws RestoreException if pages cannot be placed directly here: then the guest goes on waiting
    public RestoreRecovery(
            String resource, long qemuPid, PreparedImage image, RestoreListener listener, SocketChannel channel)
            throws IOException, InterruptedException {
        this.resource = resource;
        this.qemuPid = qemuPid;
        this.image = image;
        this.listener = listener;
        layout = image.layout();
        source = image.source();
        present = new FrameSet(source.frameCount());
        out = new MigrationStreamWriter(new WatchedChannel(resource, channel, listener, WatchedChannel.Limits.DEFAULT));
        Userfaultfd.checkPermitted(qemuPid);
        placer = DirectPlacer.attachForRecovery(qemuPid, layout, new StreamPlacer(out, layout), ATTACH_TIMEOUT);
    }

    /// {@return whether QEMU waits for pages; one that has been given all of them does not, though whoever
    /// gave them may have died before it could say so}
    public static boolean isNeeded(long qemuPid) throws IOException {
        return !GuestAreas.registered(qemuPid).isEmpty();
    }

    /// Places what is missing of the blocks that can be reached directly: first all that is not zero, then,
    /// in private memory, the zeros, for a thread may wait for one of those. Shared memory is left without
    /// zeros, which would take memory of the host; a thread that waits there is heard after [#finish].
    public void placeMissing() throws IOException {
        try (var pages = new PresentPages(qemuPid)) {
            for (int i = 0; i < layout.blocks().size(); i++) {
                long first = layout.firstFrame(i);
                if (placer.isDirect(i)) {
                    pages.visit(placer.address(i), layout.blocks().get(i).frameCount(), (index, there) -> {
                        if (there) {
                            present.add(first + index);
                        }
                    });
                }
            }
        }
        placeNonZero();
        for (int i = 0; i < layout.blocks().size(); i++) {
            if (placer.isDirect(i) && !placer.isShared(i)) {
                placeZeroes(layout.firstFrame(i), layout.blocks().get(i).frameCount());
            }
        }
    }

    /// Leaves out what cannot be served, in the hope that nobody waits for it: [#finish] tries it again.
    private void placeNonZero() throws IOException {
        int failures = 0;
        for (int group = 0; group < source.groupCount(); group++) {
            PageSource.FrameList frames = source.frames(group);
            for (int i = 0; i < frames.size(); i++) {
                long frame = frames.get(i);
                if (placer.isDirect(layout.blockIndex(frame)) && present.add(frame)) {
                    try {
                        placer.place(frame, source.read(frame, 1, PageSource.Reading.BACKGROUND));
                    } catch (IOException e) {
                        present.remove(frame);
                        if (++failures == FAILURES_MAX) {
                            throw e;
                        }
                        listener.stalled(String.valueOf(e.getMessage()));
                    }
                }
            }
        }
    }

    private void placeZeroes(long first, long count) throws IOException {
        for (long frame = first; frame < first + count; frame++) {
            if (source.isZero(frame) && present.add(frame)) {
                placer.placeZero(frame);
            }
        }
    }

    /// Takes the migration up again over a new connection, serves what is left, and ends it.
    ///
    /// @param channel connected to where `migrate-recover` has QEMU listen; the one given to the constructor
    public RestoreReport finish(SocketChannel channel) throws IOException, InterruptedException {
        var reader = new ReturnPathReader(channel, resource + ": return path", layout.blocks());
        List<PageRequest> early = shakeHands(reader);
        var demands = new DemandQueue();
        var returnPath = new ReturnPath(reader, layout, demands);
        returnPath.start(early);
        out.beginPart(image.ramSectionId(), false);
        var server = new PageFaultServer(
                source,
                placer,
                demands,
                listener,
                RestoreOptions.DEFAULT.unthrottled(),
                new WorkingSetTrial(null, source, RandomGenerator.getDefault()),
                present,
                System::nanoTime);
        try {
            server.run();
        } finally {
            demands.discard();
        }
        out.endPart();
        out.beginPart(image.ramSectionId(), true);
        out.endPart();
        out.write(new StreamMessage.EndOfStream());
        out.flush();
        returnPath.awaitShut(SHUT_TIMEOUT);
        return image.report(server.outcome(), placer.ways(), "");
    }

    /// {@return demands that came before the handshake was over}
    private List<PageRequest> shakeHands(ReturnPathReader reader) throws IOException {
        for (RamBlock block : layout.blocks()) {
            out.write(new Command.RecvBitmap(block.name()));
        }
        out.flush();
        var early = new ArrayList<PageRequest>();
        for (int left = layout.blocks().size(); left > 0; ) {
            if (next(reader) instanceof ReturnPathMessage.RecvBitmap(String block, int _, BitSet received)) {
                takeBitmap(block, received);
                left--;
            }
        }
        out.write(new Command.PostcopyResume());
        out.flush();
        while (true) {
            ReturnPathEvent event = next(reader);
            if (event instanceof ReturnPathMessage.ResumeAck) {
                return early;
            }
            if (event instanceof PageRequest request) {
                early.add(request);
            }
        }
    }

    private void takeBitmap(String name, BitSet received) {
        for (int i = 0; i < layout.blocks().size(); i++) {
            if (layout.blocks().get(i).name().equals(name) && !placer.isDirect(i)) {
                long first = layout.firstFrame(i);
                received.stream().forEach(page -> present.add(first + page));
            }
        }
    }

    private ReturnPathEvent next(ReturnPathReader reader) throws IOException {
        Optional<ReturnPathEvent> event = reader.next();
        return event.orElseThrow(
                () -> new RestoreException(resource + ": QEMU closed the connection during the recovery, see its log"));
    }

    @Override
    public void close() throws IOException {
        placer.close();
    }
}
