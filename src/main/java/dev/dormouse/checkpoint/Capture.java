package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.storage.SparseFile;
import dev.dormouse.wire.ProtocolException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Captures a VM into an image, by QEMU's stream alone or with its shared memory read directly. One thread;
/// the methods come in this order:
///
/// 1. [#readHeat], optional and only if [#isDirect]: what is being written shortly before the rest;
/// 1. [#readRunning], optional and only if [#isDirect]: most of the work, while the guest runs;
/// 2. [#readStream], of a guest that stands still;
/// 3. [#readPaused], when QEMU has reported its migration as completed;
/// 4. [#writer] is complete then, but for its metadata and its publication.
///
/// Closing removes an image that was not published.
public final class Capture implements AutoCloseable {
    /// Creates the image once the first RAM blocks are known.
    public interface WriterFactory {
        ImageWriter create(List<RamBlock> blocks) throws IOException;
    }

    /// Follows a capture, in its thread.
    public interface Progress {
        /// Some thousand times during a capture, for the last time when all memory is in the image.
        ///
        /// @param frames page frames seen so far
        /// @param frameCount page frames of the VM
        void frames(long frames, long frameCount);

        /// Called every few milliseconds.
        ///
        /// @throws IOException to end the capture
        void check() throws IOException;
    }

    private static final int REPORT_FRAMES = 4096;

    private final CaptureSource source;
    private final WriterFactory factory;
    private final Progress progress;
    private @Nullable ImageWriter writer;
    private @Nullable PagePipeline pipeline;
    private @Nullable MemoryCapture memory;
    private @Nullable PageSums earlier;
    private RamLayout layout = new RamLayout(List.of());
    private int sharedBlock = -1;
    private boolean sharedBlockCame;
    private long frames;
    private long framesReported;

    public Capture(CaptureSource source, WriterFactory factory, Progress progress) {
        this.source = source;
        this.factory = factory;
        this.progress = progress;
    }

    /// {@return whether QEMU is to leave out shared memory (`x-ignore-shared`), because it is read directly}
    public boolean ignoresShared() {
        return source.memory() != null;
    }

    /// {@return whether shared memory is read directly; false, too, once QEMU has sent it nevertheless}
    public boolean isDirect() {
        return ignoresShared() && !sharedBlockCame;
    }

    /// Looks at all of the guest's memory while it runs, so that what it writes from now on is known to be hot.
    public void readHeat() throws IOException {
        earlier = PageSums.of(sharedFile(), source.threads());
    }

    /// Puts into the image what the guest's memory holds now; what changes until it stands still is put
    /// right by [#readPaused].
    public void readRunning() throws IOException {
        SparseFile file = sharedFile();
        begin(new RamLayout(List.of(new RamBlock(sharedName(), file.lengthBytes()))));
        memory = new MemoryCapture(file, 0, pipeline(), this::seen);
        memory.readRunning();
        writer().force(); // Else the pause would wait for the disk.
    }

    /// Reads QEMU's stream to its end.
    ///
    /// @param channel the caller's to close
    /// @throws ProtocolException if the stream is not one that can be captured
    public void readStream(ReadableByteChannel channel) throws IOException {
        source.disks().diskFrozen();
        var stream = new StreamCapture(channel, source.resource(), ignoresShared(), new StreamSink());
        stream.run();
        pipeline().finish();
        if (!ignoresShared()) {
            completePages();
            report(layout.frameCount());
            return;
        }
        for (int block = 0; block < layout.blocks().size(); block++) {
            if (block != sharedBlock && stream.records(block) == 0) {
                throw new ProtocolException(
                        "capture of %s: no page of RAM block '%s' came, it must not be shared memory"
                                .formatted(
                                        source.resource(),
                                        layout.blocks().get(block).name()));
            }
        }
    }

    /// Reads the shared memory, or what changed of it since [#readRunning]. Does nothing if QEMU has sent
    /// the shared block although it was told not to: it is in the image then, as any other.
    public void readPaused() throws IOException {
        if (!ignoresShared()) {
            return;
        }
        if (isDirect()) {
            if (memory == null) {
                memory = new MemoryCapture(sharedFile(), sharedBlock, pipeline(), this::seen);
            }
            memory.readPaused();
        }
        completePages();
        report(layout.frameCount());
    }

    private void completePages() throws IOException {
        pipeline().complete(layout.blocks().getFirst());
        writer().setHeatOrder(hotFrames());
    }

    /// {@return the frames that are hot, by their numbers over all blocks}
    public FrameRanges hotFrames() {
        return pipeline == null ? FrameRanges.EMPTY : pipeline.hotFrames();
    }

    public ImageWriter writer() throws IOException {
        if (writer == null) {
            throw new ProtocolException("capture of %s: the stream has no RAM section".formatted(source.resource()));
        }
        return writer;
    }

    @Override
    public void close() throws IOException {
        end();
        if (earlier != null) {
            earlier.close();
            earlier = null;
        }
        if (source.memory() != null) {
            source.memory().close();
        }
    }

    /// The threads end before what they read from and write to is closed.
    private void end() throws IOException {
        if (pipeline != null) {
            pipeline.close();
            pipeline = null;
        }
        if (memory != null) {
            memory.close();
            memory = null;
        }
        if (writer != null) {
            writer.close();
        }
    }

    private @Nullable Heat heat() {
        return source.expected() == null ? null : new Heat(source.expected(), earlier);
    }

    private void begin(RamLayout known) throws IOException {
        layout = known;
        writer = factory.create(known.blocks());
        pipeline = new PagePipeline(writer, source.disks(), source.threads());
        Heat heat = heat();
        if (heat != null) {
            pipeline.keepBack(heat);
        }
    }

    /// The first pass has begun with the shared block alone, which QEMU lists first, because it is the
    /// largest. If it does not, that pass was in vain.
    private void learnBlocks(RamLayout all) throws IOException {
        boolean startsAsKnown =
                writer != null && all.blocks().getFirst().equals(layout.blocks().getFirst());
        if (startsAsKnown) {
            writer().appendBlocks(all.blocks().subList(1, all.blocks().size()));
            layout = all;
        } else {
            end();
            begin(all);
        }
        if (ignoresShared()) {
            sharedBlock = indexOfShared(all);
        }
    }

    private int indexOfShared(RamLayout all) throws IOException {
        for (int block = 0; block < all.blocks().size(); block++) {
            RamBlock candidate = all.blocks().get(block);
            if (candidate.name().equals(source.sharedBlock())
                    && candidate.lengthBytes() == sharedFile().lengthBytes()) {
                return block;
            }
        }
        throw new ProtocolException("capture of %s: QEMU has no RAM block '%s' of %d bytes, only %s"
                .formatted(source.resource(), source.sharedBlock(), sharedFile().lengthBytes(), all.blocks()));
    }

    private final class StreamSink implements StreamCapture.Sink {
        @Override
        public void blocks(RamLayout all) throws IOException {
            learnBlocks(all);
        }

        @Override
        public void zero(int block, long frame) throws IOException {
            expect(block);
            pipeline().addZero(block, frame);
            count();
        }

        @Override
        public void page(int block, long frame, ByteBuffer data) throws IOException {
            expect(block);
            pipeline().addPage(block, frame, data);
            count();
        }

        @Override
        public ImageWriter writer() throws IOException {
            return Capture.this.writer();
        }

        private void count() throws IOException {
            if (++frames % REPORT_FRAMES == 0) {
                seen(ignoresShared() ? 0 : frames);
            }
        }
    }

    /// A page of the shared block in the stream says that all of it comes: what the first pass took is
    /// dropped, because a page that never comes is zero.
    private void expect(int block) throws IOException {
        if (block == sharedBlock && !sharedBlockCame) {
            sharedBlockCame = true;
            if (memory != null) {
                memory.forget();
            }
        }
    }

    private void seen(long pages) throws IOException {
        progress.check();
        if (pages - framesReported >= REPORT_FRAMES && pages < layout.frameCount()) {
            report(pages);
        }
    }

    private void report(long pages) {
        framesReported = pages;
        progress.frames(pages, layout.frameCount());
    }

    private SparseFile sharedFile() {
        if (source.memory() == null) {
            throw new IllegalStateException("the memory is not shared");
        }
        return source.memory();
    }

    private String sharedName() {
        if (source.sharedBlock() == null) {
            throw new IllegalStateException("the memory is not shared");
        }
        return source.sharedBlock();
    }

    private PagePipeline pipeline() throws ProtocolException {
        if (pipeline == null) {
            throw new ProtocolException(
                    "capture of %s: the stream has no RAM section before its pages".formatted(source.resource()));
        }
        return pipeline;
    }
}
