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
import java.nio.file.AccessDeniedException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Carries on with a lazy restore whose page server died after RUN. QEMU is paused in its migration and
/// hands out no demands, and its main loop may itself wait for a page, so that not even its monitor
/// answers. Therefore, in this order: place everything that is missing directly, which wakes whoever
/// waits; then take the migration up again (`docs/protocol.md`, recovery) for the blocks that go through
/// the stream, and end it. Where QEMU's memory cannot be reached, everything goes through the stream,
/// which works as long as QEMU's main loop does.
///
/// What is missing is learnt from QEMU's memory, and of blocks that go through the stream from its
/// received bitmap, which does not know of pages that were placed directly. The calling thread owns
/// everything.
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
    private final long qemuPid;
    private final List<String> waysBefore;
    private final @Nullable DirectPlacer direct; // Null where only the stream is left.
    private final PagePlacer placer;
    private String streamReason = "";

    /// @param channel a place for the connection that [#finish] gets; nothing is sent before
    /// @param waysBefore per block how its pages were placed so far; of one that is not `stream` there may be
    ///     pages of which QEMU's own account does not know
    /// @throws RestoreException if it cannot be known from here which pages are there: then the guest goes on
    ///     waiting
    public RestoreRecovery(
            String resource,
            long qemuPid,
            PreparedImage image,
            RestoreListener listener,
            SocketChannel channel,
            List<String> waysBefore)
            throws IOException, InterruptedException {
        this.waysBefore = List.copyOf(waysBefore);
        this.resource = resource;
        this.qemuPid = qemuPid;
        this.image = image;
        this.listener = listener;
        layout = image.layout();
        source = image.source();
        present = new FrameSet(source.frameCount());
        out = new MigrationStreamWriter(new WatchedChannel(resource, channel, listener, WatchedChannel.Limits.DEFAULT));
        var stream = new StreamPlacer(out, layout);
        direct = attach(stream);
        placer = direct == null ? stream : direct;
        listener.reached(RestoreStep.EXAMINED);
    }

    private @Nullable DirectPlacer attach(StreamPlacer stream) throws IOException, InterruptedException {
        try {
            Userfaultfd.checkPermitted(qemuPid);
            DirectPlacer placing = DirectPlacer.attachForRecovery(qemuPid, layout, stream, ATTACH_TIMEOUT);
            for (int i = 0; i < layout.blocks().size(); i++) {
                if (placing.isDirect(i)) {
                    notePresent(i, placing.address(i));
                }
            }
            return placing;
        } catch (RestoreException e) {
            examineForStream(e);
            streamReason = String.valueOf(e.getMessage());
            return null;
        }
    }

    /// Finds the pages that were placed directly before, where none can be any more: a second copy of one of
    /// them would end QEMU.
    private void examineForStream(RestoreException denied) throws IOException, InterruptedException {
        GuestAreas areas = null;
        for (int i = 0; i < layout.blocks().size(); i++) {
            if (waysBefore.get(i).equals("stream")) {
                continue;
            }
            if (areas == null) {
                areas = visibleAreas(denied);
            }
            Optional<GuestAreas.Area> area = areas.area(layout.blocks().get(i));
            if (area.isPresent()) {
                notePresent(i, area.get());
            }
        }
    }

    private GuestAreas visibleAreas(RestoreException denied) throws IOException, InterruptedException {
        try {
            return DirectPlacer.awaitAreas(qemuPid, layout.blocks(), ATTACH_TIMEOUT, () -> false);
        } catch (RestoreException e) {
            denied.addSuppressed(e);
            throw denied;
        }
    }

    private void notePresent(int block, GuestAreas.Area area) throws IOException {
        if (area.file() == null) {
            notePresent(block, area.address());
            return;
        }
        long first = layout.firstFrame(block);
        long pageCount = layout.blocks().get(block).frameCount();
        SharedPages.visit(qemuPid, area.file(), pageCount, (index, count) -> {
            for (long frame = first + index; frame < first + index + count; frame++) {
                present.add(frame);
            }
        });
    }

    private void notePresent(int block, long address) throws IOException {
        long first = layout.firstFrame(block);
        try (var pages = new PresentPages(qemuPid)) {
            pages.visit(address, layout.blocks().get(block).frameCount(), (index, there) -> {
                if (there) {
                    present.add(first + index);
                }
            });
        }
    }

    /// {@return whether pages can be placed without the stream, so that whoever waits in QEMU is woken first}
    public boolean isDirect() {
        return direct != null;
    }

    /// {@return per block how its pages are placed, here or before; to be recorded before [#placeMissing]}
    public List<String> ways() {
        var ways = new ArrayList<String>();
        for (int i = 0; i < waysBefore.size(); i++) {
            ways.add(direct != null && direct.isDirect(i) ? "direct" : waysBefore.get(i));
        }
        return ways;
    }

    /// {@return whether QEMU waits for pages; one that has been given all of them does not, though whoever
    /// gave them may have died before it could say so; true where its memory cannot be seen}
    public static boolean isNeeded(long qemuPid) throws IOException {
        try {
            return !GuestAreas.registered(qemuPid).isEmpty();
        } catch (AccessDeniedException _) {
            return true;
        }
    }

    /// Places what is missing of the blocks that can be reached directly: first all that is not zero, then,
    /// in private memory, the zeros, for a thread may wait for one of those. Shared memory is left without
    /// zeros, which would take memory of the host; a thread that waits there is heard after [#finish].
    public void placeMissing() throws IOException {
        if (direct == null) {
            return;
        }
        placeNonZero(direct);
        for (int i = 0; i < layout.blocks().size(); i++) {
            if (direct.isDirect(i) && !direct.isShared(i)) {
                placeZeroes(layout.firstFrame(i), layout.blocks().get(i).frameCount());
            }
        }
        listener.reached(RestoreStep.REPAIRED);
    }

    /// Leaves out what cannot be served, in the hope that nobody waits for it: [#finish] tries it again.
    private void placeNonZero(DirectPlacer into) throws IOException {
        int failures = 0;
        for (int group = 0; group < source.groupCount(); group++) {
            PageSource.FrameList frames = source.frames(group);
            for (int i = 0; i < frames.size(); i++) {
                long frame = frames.get(i);
                if (into.isDirect(layout.blockIndex(frame)) && present.add(frame)) {
                    try {
                        into.place(frame, source.read(frame, 1, PageSource.Reading.BACKGROUND));
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
                placer.placeZeroes(frame, 1);
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
                new WorkingSetTrial(null, source, 0, RandomGenerator.getDefault()),
                present,
                Surroundings.of(qemuPid));
        try {
            server.run();
        } finally {
            demands.discard();
        }
        listener.reached(RestoreStep.PLACED);
        out.endPart();
        out.beginPart(image.ramSectionId(), true);
        out.endPart();
        out.write(new StreamMessage.EndOfStream());
        out.flush();
        listener.reached(RestoreStep.ENDED);
        returnPath.awaitShut(SHUT_TIMEOUT);
        List<String> ways = direct == null ? Collections.nCopies(layout.blocks().size(), "stream") : direct.ways();
        ServingOutcome served = server.outcome();
        return image.report(served, 0, 0, served.there(), ways, streamReason);
    }

    /// {@return demands that came before the handshake was over}
    private List<PageRequest> shakeHands(ReturnPathReader reader) throws IOException {
        for (RamBlock block : layout.blocks()) {
            out.write(new Command.RecvBitmap(block.name()));
        }
        out.flush();
        listener.reached(RestoreStep.ASKED);
        var early = new ArrayList<PageRequest>();
        for (int left = layout.blocks().size(); left > 0; ) {
            if (next(reader) instanceof ReturnPathMessage.RecvBitmap(String block, int _, BitSet received)) {
                takeBitmap(block, received);
                left--;
            }
        }
        listener.reached(RestoreStep.ANSWERED);
        out.write(new Command.PostcopyResume());
        out.flush();
        listener.reached(RestoreStep.RESUMED);
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
            if (layout.blocks().get(i).name().equals(name) && (direct == null || !direct.isDirect(i))) {
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
        if (direct != null) {
            direct.close();
        }
    }
}
