package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.restore.RestoreOptions.Placement;
import dev.dormouse.wire.Command;
import dev.dormouse.wire.DevicePackage;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.ReturnPathReader;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// A lazy restore as the source of a postcopy migration (`docs/protocol.md`): handshake, device state,
/// RUN, then pages, the demanded ones first. The calling thread is the owner thread.
public final class LazyRestore {
    private static final Duration ATTACH_TIMEOUT = Duration.ofSeconds(2);
    private static final Duration SHUT_TIMEOUT = Duration.ofMinutes(2);
    private static final Duration PROOF_MAX = Duration.ofMillis(100);
    /// What a page of a set takes that is read and written by itself, and what a set takes at most of quick storage.
    private static final long PLACED_HERE_AND_THERE_NANOS = 6_500;
    private static final long OF_SET_NANOS_MAX = 350_000_000;
    /// What is worth waiting for that the guest does not wait for pages later.
    private static final long HARDLY_LATER_NANOS = 200_000_000;
    /// What is not there by then, because storage became slower, goes as without this.
    private static final long SOON_NANOS_MAX = 700_000_000;
    private static final int DEVICES_LOADED = 3; // What QEMU itself asks behind the devices.
    private static final long SMALL_BLOCK_BYTES_MAX = 1 << 20;
    private final String resource;
    private final WatchedChannel watched;
    private final PreparedImage image;
    private final RamLayout layout;
    private final FrameSet sentAhead;
    private final HugePages hugePages = new HugePages();
    private final MigrationStreamWriter out;
    private final DemandQueue demands = new DemandQueue();
    private final ReturnPath returnPath;
    private final RestoreListener listener;
    private final RestoreOptions options;
    private final long qemuPid;
    private List<String> ways = List.of();
    private String streamReason = "";
    private @Nullable ServingOutcome outcome;
    private @Nullable WorkingSet expected;
    private @Nullable WorkingSetTrial trial; // From the handshake on, if anything may go early, else from RUN on.
    private List<Command.PostcopyDiscard> discards = List.of();
    private final BitSet writtenBlocks = new BitSet();
    private long pagesWritten;
    private @Nullable WorkingSet learnt;

    /// @param resource what errors call the restore, such as the name of the VM
    /// @param channel connected to QEMU, blocking; the caller's to close
    /// @param qemuPid of that QEMU
    public LazyRestore(
            String resource,
            SocketChannel channel,
            long qemuPid,
            PreparedImage image,
            RestoreListener listener,
            RestoreOptions options) {
        this.resource = resource;
        this.image = image;
        layout = image.layout();
        sentAhead = new FrameSet(layout.frameCount());
        watched = new WatchedChannel(resource, channel, listener, WatchedChannel.Limits.DEFAULT);
        out = new MigrationStreamWriter(watched);
        returnPath = new ReturnPath(
                new ReturnPathReader(channel, resource + ": return path", layout.blocks()), layout, demands);
        this.listener = listener;
        this.options = options;
        this.qemuPid = qemuPid;
    }

    /// Finds out whether pages can be placed as the options demand, before anything is sent to that QEMU.
    ///
    /// @throws RestoreException if they are to be placed directly, and that is not permitted
    public static void checkPermitted(long qemuPid, RestoreOptions options) throws RestoreException {
        if (options.placement() == Placement.DIRECT) {
            Userfaultfd.checkPermitted(qemuPid);
        }
    }

    /// {@return whether the memory of that QEMU could be reached directly}
    public static boolean isDirectPermitted(long qemuPid) {
        try {
            Userfaultfd.checkPermitted(qemuPid);
            return true;
        } catch (RestoreException _) {
            return false;
        }
    }

    /// Tells QEMU what memory to expect, and sends it what is to be there first. The guest cannot have run when this
    /// returns or throws.
    public void handshake() throws IOException {
        watched.write(ByteBuffer.wrap(image.configuration()));
        listener.reached(RestoreStep.CONFIGURED);
        out.write(new Command.OpenReturnPath());
        out.write(Command.PostcopyAdvise.of(layout.blocks()));
        out.write(new StreamMessage.RamStart(image.ramSectionId(), layout.blocks()));
        out.flush();
        listener.reached(RestoreStep.ANNOUNCED);
        sendSmallBlocks();
        out.flush();
        returnPath.start();
        discards = sendEarly();
        listener.reached(RestoreStep.SHAKEN);
    }

    /// Small blocks, those of the firmware, go as ordinary pages before the guest can run, zeros included.
    /// QEMU's main loop reads them itself; would it wait for one of them when this process has died, no
    /// monitor would answer whoever comes to help. Most of them have the length of another one, too, so that
    /// they could not be placed directly.
    private void sendSmallBlocks() throws IOException {
        out.beginPart(image.ramSectionId(), false);
        var zeroes = ByteBuffer.allocate(RamBlock.TARGET_PAGE_BYTES);
        for (int i = 0; i < layout.blocks().size(); i++) {
            RamBlock block = layout.blocks().get(i);
            for (long page = 0; isSmall(block) && page < block.frameCount(); page++) {
                long frame = layout.firstFrame(i) + page;
                ByteBuffer data = image.source().isZero(frame)
                        ? zeroes.duplicate()
                        : image.source().read(frame, 1, PageSource.Reading.BACKGROUND);
                out.page(block, page * RamBlock.TARGET_PAGE_BYTES, data);
                sentAhead.add(frame);
            }
        }
        out.endPart();
    }

    /// Sends what is to be there before the guest runs.
    ///
    /// @return what is to be discarded: all that was not sent
    private List<Command.PostcopyDiscard> sendEarly() throws IOException {
        EarlyPages early = options.isSendingEarly() ? earlyPages() : null;
        if (early == null) {
            return layout.blocks().stream()
                    .filter(block -> !isSmall(block))
                    .map(Command.PostcopyDiscard::whole)
                    .toList();
        }
        if (!early.isEmpty()) {
            place(early::send);
        }
        if (early.hasScattered()) {
            for (Command.PostcopyDiscard discard : early.discards()) {
                out.write(discard);
            }
            place(early::sendScattered);
        }
        return early.discards();
    }

    /// {@return what is to go early, null if nothing is known of a guest with much memory}
    private @Nullable EarlyPages earlyPages() throws IOException {
        PageSource source = image.source();
        RandomGenerator random = RandomGenerator.getDefault();
        WorkingSet set = ahead();
        WorkingSet known = set != null && set.frameCount() == layout.frameCount() ? set : null;
        if (known != null && (options.early() == RestoreOptions.Early.EVERYTHING || known.wantsEverything())) {
            trial = WorkingSetTrial.ofEverything(known, source, random);
            return EarlyPages.everything(layout, source, trial, sentAhead, random, System::nanoTime, Long.MAX_VALUE);
        }
        boolean unhurried =
                options.background().forPages(source.nonZeroCount()).isRestless() && !HostBudget.SHARED.isLimited();
        // With a complete set the guest is fast as soon as it runs: only what that touches is worth a wait.
        boolean little = unhurried && (known == null || !known.isComplete());
        if (known == null && !little) {
            return null;
        }
        trial = new WorkingSetTrial(known, source, options.neighbourPages(), random);
        if (known != null && unhurried && isSoonThere(known)) {
            return EarlyPages.everything(layout, source, trial, sentAhead, random, System::nanoTime, SOON_NANOS_MAX);
        }
        return EarlyPages.likely(layout, source, trial, sentAhead, random, System::nanoTime, little);
    }

    /// {@return whether everything can be there hardly later than what goes early of a complete set} That lies here and
    /// there and takes more for each page. The guest asks for nothing then, and shares the processors with nobody.
    private boolean isSoonThere(WorkingSet set) throws IOException {
        if (!set.isComplete()) {
            return false;
        }
        long ofSet = Math.min(set.size() * PLACED_HERE_AND_THERE_NANOS, OF_SET_NANOS_MAX);
        return image.isThereWithin(ofSet + HARDLY_LATER_NANOS);
    }

    @FunctionalInterface
    private interface Sending {
        void to(PagePlacer placer, RestoreListener listener) throws IOException;
    }

    /// Into QEMU's memory where that is permitted, which is as with its descriptors; else through the stream.
    private void place(Sending sending) throws IOException {
        image.endEarlyReads();
        out.beginPart(image.ramSectionId(), false);
        var stream = new StreamPlacer(out, layout);
        if (options.placement() == Placement.STREAM || !isDirectPermitted(qemuPid)) {
            sending.to(stream, listener);
        } else {
            try (var memory = MemoryPlacer.attach(qemuPid, layout, stream, SMALL_BLOCK_BYTES_MAX, PROOF_MAX)) {
                sending.to(memory, listener);
                writtenBlocks.or(memory.writtenBlocks());
                pagesWritten += memory.pagesWritten();
            }
        }
        out.endPart();
    }

    /// {@return whether QEMU's memory holds pages of which its own account does not know; after [#handshake]}
    public boolean hasWritten() {
        return !writtenBlocks.isEmpty();
    }

    private static boolean isSmall(RamBlock block) {
        return block.lengthBytes() <= SMALL_BLOCK_BYTES_MAX;
    }

    /// Sends the device state with RUN and serves pages until every non-zero one is placed, then ends the
    /// migration. Pages are asked for before RUN too, by the devices that are being loaded.
    ///
    /// @param record told the way of each RAM block before the first page goes
    public void run(PlacementRecord record) throws IOException {
        demands.hold();
        try {
            out.launch(discards, new DevicePackage(image.deviceState(), OptionalInt.of(DEVICES_LOADED)));
            listener.reached(RestoreStep.LAUNCHED);
            out.beginPart(image.ramSectionId(), false);
            image.endEarlyReads();
            // Where nothing goes early it is made while QEMU loads its devices.
            WorkingSetTrial current = trial != null
                    ? trial
                    : new WorkingSetTrial(
                            ahead(), image.source(), options.neighbourPages(), RandomGenerator.getDefault());
            trial = current;
            serve(new StreamPlacer(out, layout), record, current);
            learnt = current.next();
            listener.reached(RestoreStep.PLACED);
            end();
            listener.reached(RestoreStep.ENDED);
            returnPath.awaitShut(SHUT_TIMEOUT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RestoreException(resource + ": interrupted before every page was placed", e);
        }
    }

    /// Gives the guest its huge pages back, where it is known to want pages first; after QEMU has ended the migration,
    /// and while it runs.
    ///
    /// @return the huge pages that were made
    public int collapse() throws IOException {
        return hugePages.collapse(qemuPid, image.source(), workingSet().frames(), listener);
    }

    /// Has a set placed ahead of the background, before [#handshake]; without one it is what the image has to say.
    public void expect(WorkingSet set) {
        expected = set;
    }

    /// {@return the set for the next restore of the same VM; after [#run]}
    public WorkingSet workingSet() {
        return Objects.requireNonNull(learnt, "the restore has not run");
    }

    /// {@return all that the guest has asked for; after a [#run] with [RestoreOptions#DEMANDS], also one that ended
    /// because its QEMU did}
    ///
    /// @param wantedShare the share of what is not zero that it is taken to want, from 0 to 1
    /// @param complete whether it hardly wanted anything else
    /// @param name of the image
    public WorkingSet rehearsed(double wantedShare, boolean complete, String name) {
        return Objects.requireNonNull(trial, "the restore has not run").rehearsed(wantedShare, complete, name);
    }

    /// {@return from when on the guest hardly waited for pages, by `System.nanoTime`, if it ran by then
    /// ([RestoreListener] says when); null if that was not reached; after [#run]}
    public @Nullable Long responsiveNanos() {
        return Objects.requireNonNull(outcome, "the restore has not run").responsiveNanos();
    }

    /// {@return what was done, without the estimate of responsiveness, which counts from the request; after [#run]}
    public RestoreReport report() {
        ServingOutcome served = Objects.requireNonNull(outcome, "the restore has not run");
        return image.report(served, served.there(), pagesWritten, 0, ways, streamReason);
    }

    /// Makes the ways of a restore durable, for whoever has to carry on with it; must not wait for a disk.
    @FunctionalInterface
    public interface PlacementRecord {
        /// @param ways per RAM block `direct` or `stream`, or `undecided` where a recovery has to look what is there
        void write(List<String> ways);
    }

    private void serve(StreamPlacer stream, PlacementRecord record, WorkingSetTrial trial)
            throws IOException, InterruptedException {
        if (options.placement() == Placement.STREAM) {
            serve(stream, record, "asked for", trial);
            return;
        }
        DirectPlacer direct;
        try {
            Userfaultfd.checkPermitted(qemuPid); // Or the areas would be looked for in vain.
            direct = DirectPlacer.attach(qemuPid, layout, stream, ATTACH_TIMEOUT, () -> !demands.isEmpty());
        } catch (IOException e) {
            if (options.placement() == Placement.DIRECT) {
                throw e;
            }
            serve(stream, record, String.valueOf(e.getMessage()), trial);
            return;
        }
        try (direct) {
            ways = direct.ways();
            noteRegions(direct);
            record.write(ways);
            listener.placement(ways, "");
            serve(direct, trial);
        }
    }

    private void noteRegions(DirectPlacer direct) {
        for (int i = 0; i < layout.blocks().size(); i++) {
            if (direct.isDirect(i) && !direct.isShared(i)) {
                hugePages.add(
                        direct.address(i),
                        layout.firstFrame(i),
                        layout.blocks().get(i).frameCount());
            }
        }
    }

    private void serve(StreamPlacer stream, PlacementRecord record, String reason, WorkingSetTrial trial)
            throws IOException, InterruptedException {
        ways = Collections.nCopies(layout.blocks().size(), "stream");
        streamReason = reason;
        record.write(waysOfRecovery());
        listener.placement(ways, reason);
        serve(stream, trial);
    }

    /// A recovery has to look into a block of which QEMU's account does not know all pages.
    private List<String> waysOfRecovery() {
        var result = new ArrayList<>(ways);
        writtenBlocks.stream().forEach(block -> result.set(block, "undecided"));
        return result;
    }

    private @Nullable WorkingSet ahead() {
        WorkingSet set = expected != null ? expected : image.likelySet();
        return options.workingSet() ? set : null;
    }

    private void serve(PagePlacer placer, WorkingSetTrial trial) throws IOException, InterruptedException {
        var server = new PageFaultServer(
                image.source(), placer, demands, listener, options, trial, sentAhead, Surroundings.of(qemuPid));
        try {
            server.run();
        } finally {
            demands.discard(); // The return path must never wait for a server that has ended.
        }
        outcome = server.outcome();
    }

    private void end() throws IOException {
        out.endPart();
        out.beginPart(image.ramSectionId(), true);
        out.endPart();
        out.write(new StreamMessage.EndOfStream());
        out.flush();
    }
}
