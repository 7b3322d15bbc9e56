package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.AtomicFile;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Writes one image, streaming: pages go to the file as they arrive, the tables follow, the header comes
/// last. The file has its name only after [#publish]; closing the writer before it removes what was
/// written, and so does any failure of the storage. One thread uses it; it is held back when the
/// compressing threads do not keep up.
///
/// - A page that never arrives is a zero page.
/// - A page may arrive again: the last content wins, what the earlier one took in an extent is lost.
/// - The same calls make the same bytes, whatever the number of threads.
///
/// **Duplicates** are found by XXH3-128, which is no cryptographic hash, and the bytes of the earlier
/// page are not compared: they are compressed and on their way to the disk by then. Instead the hash is
/// keyed with 64 random bits that are drawn for each image and never leave this object, and a program in
/// the guest sees neither a hash nor an outcome while it could still try again; a page is
/// served only if its checksum, which is not keyed, fits too. To slip one page in for another it would
/// have to find a collision that holds under both, the first of them blind; one that holds under the
/// first alone is an error when the page is served, not a wrong page. For pages that nobody chose with
/// intent, 128 bits are far beyond the error rate of the memory they came from.
public final class ImageWriter implements AutoCloseable {
    private final @Nullable EncryptionEnvelope envelope;
    private final AtomicFile file;
    private final WriterOptions options;
    private FrameNumbering frames;
    private final PageTableBuilder pageTable;
    private final ExtentStream extents;
    private final PageHashTable pagesByHash;
    private final long seed = new SecureRandom().nextLong();
    private final PageHasher hasher = new PageHasher(seed);
    private final long[] pagesByClass = new long[5];
    private long supersededPages;
    private boolean anyPageArrivedAgain;
    private long fileBytes;
    private boolean closed;

    private String metadata = "{}";
    private byte[] configuration = {};
    private byte[] deviceState = {};
    private int ramSectionId;
    private DiskBlockCounts disks = DiskBlockCounts.NONE;
    private @Nullable ByteBuffer workingSet;
    private @Nullable ByteBuffer heatOrder;

    private ImageWriter(
            AtomicFile file, FrameNumbering frames, WriterOptions options, EncryptionEnvelope.Randomness randomness) {
        this.envelope = options.key() == null ? null : EncryptionEnvelope.create(options.key(), randomness);
        this.file = file;
        this.options = options;
        this.frames = frames;
        this.pageTable = new PageTableBuilder(frames.frameCount());
        this.extents = new ExtentStream(file, options, envelope == null ? null : envelope.cipher());
        this.pagesByHash = new PageHashTable(options.duplicateEntriesMax());
        pagesByClass[PageClass.ZERO.code()] = frames.frameCount();
    }

    public static ImageWriter create(Path target, List<RamBlock> blocks) throws IOException {
        return create(Storage.fileSystem(), target, blocks, WriterOptions.defaults());
    }

    /// Begins an image beside its final name. An image that has this name is replaced at publication.
    ///
    /// @param blocks 1 to 4096, with different names
    /// @throws IllegalArgumentException if the blocks cannot be described in an image
    public static ImageWriter create(Storage storage, Path target, List<RamBlock> blocks, WriterOptions options)
            throws IOException {
        return create(storage, target, blocks, options, EncryptionEnvelope.Randomness.secure());
    }

    static ImageWriter create(
            Storage storage,
            Path target,
            List<RamBlock> blocks,
            WriterOptions options,
            EncryptionEnvelope.Randomness randomness)
            throws IOException {
        checkBlocks(blocks);
        var frames = new FrameNumbering(blocks);
        return new ImageWriter(AtomicFile.create(storage, target), frames, options, randomness);
    }

    /// Copies the 4096 bytes that remain in the buffer, heap or direct; its position stays.
    ///
    /// @throws dev.dormouse.storage.StorageException if the file cannot be written; the image is given up
    public void addPage(int blockIndex, long frameInBlock, ByteBuffer page) throws IOException {
        addPage(blockIndex, frameInBlock, MemorySegment.ofBuffer(page));
    }

    /// As [#addPage(int, long, ByteBuffer)], for memory that is no buffer.
    public void addPage(int blockIndex, long frameInBlock, MemorySegment page) throws IOException {
        checkPage(page);
        if (PageHasher.isZero(page)) {
            addZero(blockIndex, frameInBlock);
        } else {
            addPage(blockIndex, frameInBlock, page, hasher.hash(page));
        }
    }

    /// As [#addPage(int, long, MemorySegment)], for a page that is not zero and was hashed in another thread.
    ///
    /// @param hash of exactly these bytes, by a hasher of this writer
    public void addPage(int blockIndex, long frameInBlock, MemorySegment page, PageHash hash) throws IOException {
        long frame = openFrame(blockIndex, frameInBlock);
        checkPage(page);
        long added = extents.nextLocator();
        long known = options.duplicateEntriesMax() == 0 ? 0 : pagesByHash.findOrAdd(hash.low(), hash.high(), added);
        if (known != 0) {
            put(frame, PageLocator.withClass(known, PageClass.DUPLICATE), hash.checksum());
            return;
        }
        put(frame, added, hash.checksum());
        try {
            extents.add(page);
        } catch (IOException | RuntimeException e) {
            giveUp(e);
            throw e;
        }
    }

    /// {@return a hasher for one thread, good for pages of this image only}
    public PageHasher newHasher() {
        return new PageHasher(seed);
    }

    private static void checkPage(MemorySegment page) {
        if (page.byteSize() != ImageFormat.PAGE_BYTES) {
            throw new IllegalArgumentException("page has " + page.byteSize() + " bytes, not " + ImageFormat.PAGE_BYTES);
        }
    }

    /// Adds blocks behind those there are, zero at first: for a capture that begins before it knows them all.
    ///
    /// @throws IllegalArgumentException if all blocks together cannot be described in an image
    public void appendBlocks(List<RamBlock> more) {
        checkOpen();
        var all = new ArrayList<>(frames.blocks());
        all.addAll(more);
        checkBlocks(all);
        var appended = new FrameNumbering(all);
        pagesByClass[PageClass.ZERO.code()] += appended.frameCount() - frames.frameCount();
        pageTable.extend(appended.frameCount());
        frames = appended;
    }

    /// Writes the extents that are full and forces them to the disk, so that [#publish] has less to do.
    public void force() throws IOException {
        checkOpen();
        try {
            extents.drain();
            file.force();
        } catch (IOException | RuntimeException e) {
            giveUp(e);
            throw e;
        }
    }

    /// Says that the page is zero now; needed only if another content of it arrived before.
    public void addZero(int blockIndex, long frameInBlock) {
        put(openFrame(blockIndex, frameInBlock), PageLocator.ZERO, 0);
    }

    /// Leaves the page to one of the machine's disks.
    ///
    /// @param disk 0 to 255, as the metadata numbers them
    /// @param blockNumber of 4 KiB blocks in what the guest sees of the disk, below 2^48
    /// @param checksum XXH3-64 of the page
    public void addOnDisk(int blockIndex, long frameInBlock, int disk, long blockNumber, long checksum) {
        if (disk < 0 || disk > PageLocator.SLOT_MAX || blockNumber < 0 || blockNumber > PageLocator.LOCATION_MAX) {
            throw new IllegalArgumentException("block " + blockNumber + " of disk " + disk + ", blocks below 2^48 of"
                    + " disks 0 to 255 are allowed");
        }
        long locator = PageLocator.of(PageClass.ON_DISK, disk, blockNumber);
        put(openFrame(blockIndex, frameInBlock), locator, checksum);
    }

    /// @param json opaque here; at most 16 MiB in UTF-8
    public void setMetadata(String json) {
        checkLength("metadata", json.getBytes(StandardCharsets.UTF_8).length, ImageFormat.METADATA_BYTES_MAX);
        metadata = json;
    }

    /// @param section the captured configuration section, opaque here; at most 16 MiB
    public void setConfiguration(byte[] section) {
        checkLength("configuration", section.length, ImageFormat.CONFIGURATION_BYTES_MAX);
        configuration = section.clone();
    }

    /// @param state the captured device state, opaque here; at most 512 MiB
    public void setDeviceState(byte[] state) {
        checkLength("device state", state.length, ImageFormat.DEVICE_STATE_BYTES_MAX);
        deviceState = state.clone();
    }

    /// @param id what the stream called the RAM section, unsigned
    public void setRamSectionId(int id) {
        ramSectionId = id;
    }

    /// Says how many blocks of 4096 bytes each disk has; needed by publication if any page was left to one.
    ///
    /// @param counts up to 256, as the metadata numbers the disks; each up to 2^48
    public void setDiskBlockCounts(long... counts) {
        disks = DiskBlockCounts.of(counts);
    }

    /// Adds what the guest used after an earlier restore.
    ///
    /// @return false if it has too many ranges for an image (more than 4 MiB of them): being a hint, it is
    ///     left out then
    /// @throws IllegalArgumentException if a frame is not one of the image's
    public boolean setWorkingSet(WorkingSet set) {
        set.groups().forEach(group -> checkFrames(group.frames()));
        workingSet = FrameGroups.encode(set.groups()).orElse(null);
        return workingSet != null;
    }

    /// Adds the frames that are known to be hot: changed shortly before the pause, the kernel's, page
    /// tables. None if the set is empty.
    ///
    /// @return as [#setWorkingSet]
    public boolean setHeatOrder(FrameRanges frames) {
        checkFrames(frames);
        heatOrder = frames.isEmpty()
                ? null
                : FrameGroups.encode(List.of(new WorkingSet.Group(0, frames))).orElse(null);
        return frames.isEmpty() || heatOrder != null;
    }

    private void checkFrames(FrameRanges set) {
        if (!set.isEmpty() && set.last(set.rangeCount() - 1) >= frames.frameCount()) {
            throw new IllegalArgumentException(
                    "frame " + set.last(set.rangeCount() - 1) + " of an image that has " + frames.frameCount());
        }
    }

    /// Writes the tables, forces the file to the disk and gives it its name. After it only
    /// [#statistics] and [#close] are of use.
    ///
    /// @throws dev.dormouse.storage.StorageException if that fails; the target is what it was before,
    ///     unless only forcing the directory failed: then it may be the complete image
    public void publish() throws IOException {
        checkOpen();
        try {
            extents.finish();
            if (anyPageArrivedAgain) {
                promoteDuplicates();
            }
            fileBytes = writeSections();
            file.publish();
        } catch (IOException | RuntimeException e) {
            giveUp(e);
            throw e;
        }
        close();
    }

    /// Gives the image up; as [#close] without publication.
    public void abort() throws IOException {
        close();
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        extents.close();
        pageTable.close();
        file.close();
    }

    public WriterStatistics statistics() {
        long extentBytes = extents.end() - ImageFormat.Header.SIZE_BYTES;
        return new WriterStatistics(
                pagesByClass[PageClass.ZERO.code()],
                pagesByClass[PageClass.STORED.code()],
                pagesByClass[PageClass.DUPLICATE.code()],
                pagesByClass[PageClass.ON_DISK.code()],
                supersededPages,
                extents.extentCount(),
                extentBytes,
                fileBytes != 0 ? fileBytes : extents.end());
    }

    private long writeSections() throws IOException {
        disks.check(pageTable);
        var sections = new SectionWriter(file, extents.end(), envelope);
        sections.writePageTable(pageTable);
        sections.writeSection(SectionType.EXTENT_TABLE, extents.table());
        sections.writeRamBlocks(ramSectionId, frames.blocks());
        sections.writeSection(SectionType.DISKS, disks.encode());
        writeHint(sections, SectionType.WORKING_SET, workingSet);
        writeHint(sections, SectionType.HEAT_ORDER, heatOrder);
        sections.writeSection(SectionType.CONFIGURATION, ByteBuffer.wrap(configuration));
        sections.writeDeviceState(deviceState);
        sections.writeSection(SectionType.METADATA, ByteBuffer.wrap(metadata.getBytes(StandardCharsets.UTF_8)));
        return sections.finish(options.extentPages());
    }

    private static void writeHint(SectionWriter sections, SectionType type, @Nullable ByteBuffer bytes)
            throws IOException {
        if (bytes != null) {
            sections.writeSection(type, bytes.duplicate());
        }
    }

    private void put(long frame, long locator, long checksum) {
        int before = PageLocator.classCode(pageTable.locator(frame));
        if (before == PageClass.STORED.code()) {
            anyPageArrivedAgain = true;
            supersededPages++;
        }
        pagesByClass[before]--;
        pagesByClass[PageLocator.classCode(locator)]++;
        pageTable.put(frame, locator, checksum);
    }

    /// A page that arrived again may have left its slot to duplicates: the first of them becomes the
    /// stored one, so that every slot in use belongs to exactly one page.
    private void promoteDuplicates() {
        var owned = new SlotSet(extents.extentCount());
        for (long frame = 0; frame < pageTable.frameCount(); frame++) {
            long locator = pageTable.locator(frame);
            if (PageLocator.classCode(locator) == PageClass.STORED.code()) {
                owned.add(locator);
            }
        }
        for (long frame = 0; frame < pageTable.frameCount(); frame++) {
            long locator = pageTable.locator(frame);
            if (PageLocator.classCode(locator) == PageClass.DUPLICATE.code() && owned.add(locator)) {
                pageTable.putLocator(frame, PageLocator.withClass(locator, PageClass.STORED));
                pagesByClass[PageClass.DUPLICATE.code()]--;
                pagesByClass[PageClass.STORED.code()]++;
                supersededPages--;
            }
        }
    }

    private long openFrame(int blockIndex, long frameInBlock) {
        checkOpen();
        return frames.frame(blockIndex, frameInBlock);
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException(file.target() + " is already published or given up");
        }
    }

    /// Frees the disk at once, without waiting for the owner to close the writer.
    private void giveUp(Exception cause) {
        try {
            close();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    private static void checkBlocks(List<RamBlock> blocks) {
        if (blocks.isEmpty() || blocks.size() > ImageFormat.RAM_BLOCKS_MAX) {
            throw new IllegalArgumentException(
                    blocks.size() + " RAM blocks, 1 to " + ImageFormat.RAM_BLOCKS_MAX + " are allowed");
        }
        if (blocks.stream().map(RamBlock::name).distinct().count() != blocks.size()) {
            throw new IllegalArgumentException("two RAM blocks have the same name: " + blocks);
        }
        for (RamBlock block : blocks) {
            String problem = RamBlockSection.problem(block.name(), block.lengthBytes(), block.pageSizeBytes());
            if (problem != null) {
                throw new IllegalArgumentException("RAM block " + block.name() + ": " + problem);
            }
        }
    }

    private static void checkLength(String what, int lengthBytes, int max) {
        if (lengthBytes > max) {
            throw new IllegalArgumentException(
                    what + " has " + lengthBytes + " bytes, at most " + max + " are allowed");
        }
    }
}
