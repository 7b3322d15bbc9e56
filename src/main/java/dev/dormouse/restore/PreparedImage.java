package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.disk.DiskView;
import dev.dormouse.image.CorruptImageException;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.wire.StreamMessage.DeviceState;
import java.io.IOException;
import java.util.List;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// An image with everything read and checked that a restore needs besides its pages: the frames of each
/// extent, the device state. Prepared while QEMU starts, because the guest waits for neither then.
///
/// An image with on-disk pages needs the frozen disks to which they refer. Closing it closes those.
public final class PreparedImage implements AutoCloseable {
    /// What a page takes at least, on two processors, where all pages are placed in the order of the image.
    private static final long PLACED_IN_ORDER_NANOS = 2_500;

    private final ImageReader reader;
    private final @Nullable ImageReader copies;
    private final RamLayout layout;
    private final ImagePageSource source;
    private final DeviceState deviceState;
    private final @Nullable WorkingSet likelySet;
    private @Nullable EarlyReads earlyReads;

    private PreparedImage(
            ImageReader reader,
            @Nullable ImageReader copies,
            RamLayout layout,
            ImagePageSource source,
            DeviceState deviceState,
            @Nullable WorkingSet likelySet) {
        this.reader = reader;
        this.copies = copies;
        this.layout = layout;
        this.source = source;
        this.deviceState = deviceState;
        this.likelySet = likelySet;
    }

    /// Opens a disk of the image by its number; asked only for those to which a page refers, once for each.
    @FunctionalInterface
    public interface Disks {
        /// {@return what the guest saw of the disk; it is closed with the prepared image}
        DiskView open(int disk) throws IOException;
    }

    /// Reads the tables and the device state of an image that is believed to have no on-disk pages.
    ///
    /// @param reader to be open until the restore has ended
    public static PreparedImage of(ImageReader reader) throws IOException {
        return of(reader, List.of());
    }

    /// As [#of(ImageReader, Disks)], with disks that are open already.
    ///
    /// @param views by the numbers that the image has for the disks; closed with the prepared image if a page
    ///     refers to them
    public static PreparedImage of(ImageReader reader, List<DiskView> views) throws IOException {
        return of(reader, disk -> {
            if (disk >= views.size()) {
                throw new RestoreException("%s: pages of the guest are on disk %d, only %d disks are given"
                        .formatted(reader.path(), disk, views.size()));
            }
            return views.get(disk);
        });
    }

    /// Reads the tables and the device state.
    ///
    /// @param reader to be open until the restore has ended
    /// @throws RestoreException if a page refers to a disk that is not there, or to what is behind its end
    public static PreparedImage of(ImageReader reader, Disks disks) throws IOException {
        return of(reader, disks, null);
    }

    /// As [#of(ImageReader, Disks)], with copies of pages that are on disks ([WorkingSetCopies]).
    ///
    /// @param copies taken over, also if this fails; null if there are none. Not used if they are not of this image
    public static PreparedImage of(ImageReader reader, Disks disks, @Nullable ImageReader copies) throws IOException {
        boolean complete = false;
        try {
            var deviceState = new DeviceState(reader.deviceState());
            var layout = new RamLayout(reader.ramBlocks());
            WorkingSet likelySet = likelySet(reader, layout);
            SavedPages saved = SavedPages.of(reader, copies);
            var source = new ImagePageSource(saved, new ImageDisks(reader, disks)); // Last: it has to be closed.
            complete = true;
            return new PreparedImage(reader, copies, layout, source, deviceState, likelySet);
        } finally {
            if (!complete && copies != null) {
                copies.close();
            }
        }
    }

    /// Has the kernel read the image and its disks from now on, until pages are placed or the image is closed: while
    /// QEMU starts, storage would have nothing to do.
    ///
    /// @param expected what is placed first; null for what the image itself has to say
    public void readEarly(@Nullable WorkingSet expected) {
        // Where all is wanted before the guest runs it is read as it lies: a set's pages lie anywhere.
        boolean inOrder = expected != null && expected.wantsEverything();
        HostBudget.SHARED.enter();
        earlyReads = EarlyReads.start(source, inOrder ? null : expected == null ? likelySet : expected);
    }

    /// {@return whether everything can be placed within that time, as storage has been so far} Restores that go on
    /// beside this one have the same processors and the same storage.
    boolean isThereWithin(long nanos) throws IOException {
        long share = nanos / Math.max(1, HostBudget.SHARED.restores());
        return earlyReads != null
                && source.nonZeroCount() * PLACED_IN_ORDER_NANOS <= share
                && earlyReads.nanosForRest(source.storageBytes()) <= share;
    }

    /// Pages are being placed: whoever does that reads from now on.
    void endEarlyReads() {
        if (earlyReads != null) {
            earlyReads.end();
        }
    }

    /// {@return the bytes with which a migration stream of it begins}
    byte[] configuration() {
        return reader.configuration();
    }

    int ramSectionId() {
        return reader.ramSectionId();
    }

    RamLayout layout() {
        return layout;
    }

    ImagePageSource source() {
        return source;
    }

    DeviceState deviceState() {
        return deviceState;
    }

    /// {@return what the guest is likely to touch first, for a VM of which no restore has recorded it: what the
    /// capture knew to be hot, and the screen, which whoever comes back looks at; null if nothing is known}
    @Nullable
    WorkingSet likelySet() {
        return likelySet;
    }

    private static @Nullable WorkingSet likelySet(ImageReader reader, RamLayout layout) throws IOException {
        var frames = LongStream.builder();
        for (int i = 0; i < layout.blocks().size(); i++) {
            RamBlock block = layout.blocks().get(i);
            boolean screen = block.name().contains("vram");
            for (long page = 0; screen && page < block.frameCount(); page++) {
                long frame = layout.firstFrame(i) + page;
                if (reader.pageClass(frame) != PageClass.ZERO) {
                    frames.add(frame);
                }
            }
        }
        try {
            reader.heatOrder().ifPresent(heat -> heat.forEach(frames));
        } catch (CorruptImageException _) {
            // A hint: the guest demands what it needs.
        }
        long[] likely = frames.build().distinct().toArray();
        return likely.length == 0 ? null : WorkingSet.ofHottest(layout.frameCount(), likely);
    }

    /// Without the estimate of responsiveness, which counts from the request.
    ///
    /// @param beforeRun non-zero pages that were sent before the guest ran
    /// @param written those of them that were written into QEMU's memory
    /// @param recovered non-zero pages that an earlier page server had placed
    RestoreReport report(
            ServingOutcome outcome,
            long beforeRun,
            long written,
            long recovered,
            List<String> ways,
            String streamReason) {
        RestoreListener.Progress progress = outcome.progress();
        DemandLatency latency = outcome.latency();
        return new RestoreReport(
                progress.nonZeroPages(),
                progress.demandedPages(),
                progress.demandedZeroPages(),
                progress.prefetchedPages(),
                beforeRun,
                written,
                recovered,
                bytes(PageClass.STORED),
                bytes(PageClass.DUPLICATE),
                bytes(PageClass.ON_DISK),
                micros(latency.quantileNanos(0.5)),
                micros(latency.quantileNanos(0.99)),
                micros(latency.maxNanos()),
                Math.ceilDiv(latency.totalNanos(), 1_000_000L),
                latency.demandCounts(),
                null,
                outcome.auditMillis(),
                outcome.placedAgain(),
                outcome.placedAhead(),
                outcome.hitRate(),
                outcome.wantedShare(),
                ways,
                streamReason);
    }

    /// {@return the report of a restore that somebody else has brought to its end}
    public RestoreReport finishedReport() {
        long pages = source.nonZeroCount();
        var progress = new RestoreListener.Progress(pages, pages, 0, 0, 0);
        return report(ServingOutcome.ofAll(progress), 0, 0, pages, List.of(), "");
    }

    private long bytes(PageClass pageClass) {
        return source.count(pageClass) * RamBlock.TARGET_PAGE_BYTES;
    }

    private static long micros(long nanos) {
        return Math.ceilDiv(nanos, 1000);
    }

    @Override
    public void close() throws IOException {
        if (earlyReads != null) {
            HostBudget.SHARED.leave();
            earlyReads.close();
        }
        try {
            source.close();
        } finally {
            if (copies != null) {
                copies.close();
            }
        }
    }
}
