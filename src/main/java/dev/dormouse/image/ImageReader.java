package dev.dormouse.image;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// An open image, with random access to every page. Any thread, and an interrupt closes nothing. The
/// file is read by position, never mapped, and may be deleted while it is open.
///
/// Opening checks header, directory, all small sections that may not be ignored, the extent table and the
/// exact length of the file. The page table is checked by chunks of 4096 frames when first asked for one of them, an
/// extent when it is read, a page by [#verifyPage]. What may be damaged throws [CorruptImageException] with
/// the file and the place.
public final class ImageReader implements AutoCloseable {
    private static final long ZERO_PAGE_CHECKSUM = Xxh3.hash64(Arena.ofAuto().allocate(ImageFormat.PAGE_BYTES));

    private final ImageFile in;
    private final ImageHeader header;
    private final SectionDirectory sections;
    private final FrameNumbering frames;
    private final int ramSectionId;
    private final ExtentTable extents;
    private final DiskBlockCounts disks;
    private final PageTable pageTable;
    private final String metadata;
    private final byte[] configuration;
    private volatile @Nullable ExtentFrames extentFrames;

    private ImageReader(ImageFile in, KeyFinder keys) throws IOException {
        this.in = in;
        header = ImageHeader.read(in);
        sections = SectionDirectory.read(in, header, keys);
        var ram = RamBlockSection.read(in, sections);
        frames = new FrameNumbering(ram.blocks());
        ramSectionId = ram.ramSectionId();
        metadata = sections.metadata();
        configuration = bytes(sections.read(SectionType.CONFIGURATION));
        extents = ExtentTable.read(in, sections, header.extentPages());
        disks = DiskBlockCounts.read(in, sections);
        pageTable = PageTable.read(in, sections, extents, disks, frames.frameCount());
    }

    /// As [#open(Storage, Path)], in the host's file system.
    public static ImageReader open(Path path) throws IOException {
        return open(Storage.fileSystem(), path);
    }

    /// Finds the key of an encrypted image.
    @FunctionalInterface
    public interface KeyFinder {
        /// For those who have no key.
        KeyFinder NONE = _ -> null;

        /// {@return the key, null if there is none}
        ///
        /// @param metadata of the image, not authenticated yet
        @Nullable
        ImageKey find(String metadata) throws IOException;
    }

    /// What stands in an image for everybody to read, authenticated by nobody.
    ///
    /// @param metadata the JSON text that the writer was given
    public record Label(String metadata, boolean encrypted) {}

    /// Reads what needs no key.
    public static Label label(Storage storage, Path path) throws IOException {
        try (ImageFile in = ImageFile.open(storage, path)) {
            SectionDirectory sections = SectionDirectory.readLocked(in, ImageHeader.read(in));
            return new Label(sections.metadata(), sections.isEncrypted());
        }
    }

    /// As [#open(Storage, Path, KeyFinder)], of an image that is not encrypted.
    public static ImageReader open(Storage storage, Path path) throws IOException {
        return open(storage, path, KeyFinder.NONE);
    }

    /// Opens an image and checks its structure.
    ///
    /// @param keys asked only if the image is encrypted
    /// @throws CorruptImageException if it is none, or damaged
    /// @throws UnsupportedImageException if another build wrote it, with something that this one does
    ///     not know
    /// @throws ImageKeyException if it is encrypted and its key is not found, or another one is
    /// @throws dev.dormouse.storage.StorageException if the file cannot be read
    public static ImageReader open(Storage storage, Path path, KeyFinder keys) throws IOException {
        ImageFile in = ImageFile.open(storage, path);
        boolean complete = false;
        try {
            var reader = new ImageReader(in, keys);
            complete = true;
            return reader;
        } finally {
            if (!complete) {
                in.close();
            }
        }
    }

    public Path path() {
        return in.path();
    }

    /// {@return the version of the format that the file is in}
    public int version() {
        return header.version();
    }

    /// {@return whether it was encrypted; it is open now, so its key was there}
    public boolean isEncrypted() {
        return sections.isEncrypted();
    }

    public long fileLengthBytes() {
        return in.lengthBytes();
    }

    /// {@return the JSON text that the writer was given}
    public String metadata() {
        return metadata;
    }

    public List<RamBlock> ramBlocks() {
        return frames.blocks();
    }

    /// {@return what the captured stream called the RAM section, unsigned}
    public int ramSectionId() {
        return ramSectionId;
    }

    /// {@return the captured configuration section}
    public byte[] configuration() {
        return configuration.clone();
    }

    /// Reads and decompresses the captured device state.
    public byte[] deviceState() throws IOException {
        long position = sections.section(SectionType.DEVICE_STATE).offset();
        ByteBuffer bytes = sections.read(SectionType.DEVICE_STATE);
        in.check(bytes.remaining() >= Long.BYTES, position, "device state has %d bytes", bytes.remaining());
        long plainLength = bytes.getLong();
        // No zstd block of up to 128 KiB takes fewer than 4 bytes: a few bytes cannot have us allocate 512 MiB.
        long lengthBytesMax = Math.min(ImageFormat.DEVICE_STATE_BYTES_MAX, (bytes.remaining() / 4L) << 17);
        in.check(
                plainLength >= 0 && plainLength <= lengthBytesMax,
                position,
                "device state has %d bytes, at most %d are allowed",
                plainLength,
                lengthBytesMax);
        var state = new byte[(int) plainLength];
        try {
            int length = Zstd.decompress(state, bytes);
            in.check(length == plainLength, position, "device state has %d bytes, not %d", length, plainLength);
        } catch (ZstdException e) {
            throw new CorruptImageException(in.path(), position, "device state cannot be decompressed", e);
        }
        return state;
    }

    /// {@return how many disks pages may be on}
    public int diskCount() {
        return disks.diskCount();
    }

    /// {@return the blocks of 4096 bytes that the disk had when it was frozen}
    public long diskBlockCount(int disk) {
        return disks.blockCount(Objects.checkIndex(disk, disks.diskCount()));
    }

    /// Reads what the guest used after an earlier restore; nothing if that is not known, or is in a form
    /// that this build does not know. A hint: whoever cannot have it goes on without it.
    ///
    /// @throws CorruptImageException if the section is damaged, which opening does not look for
    public Optional<WorkingSet> workingSet() throws IOException {
        return FrameGroups.read(in, sections, SectionType.WORKING_SET, frameCount())
                .map(WorkingSet::new);
    }

    /// Reads which frames were known to be hot at the capture. As [#workingSet], a hint.
    public Optional<FrameRanges> heatOrder() throws IOException {
        return FrameGroups.read(in, sections, SectionType.HEAT_ORDER, frameCount())
                .map(groups -> groups.getFirst().frames());
    }

    /// {@return the pages of all RAM blocks}
    public long frameCount() {
        return frames.frameCount();
    }

    /// {@return the number of the first page of a RAM block}
    public long firstFrame(int blockIndex) {
        return frames.firstFrame(blockIndex);
    }

    /// {@return where the content of the page is}
    public PageClass pageClass(long frame) throws IOException {
        return classOf(locator(frame));
    }

    /// {@return the extent of a stored or duplicate page, or -1}
    public int extentIndex(long frame) throws IOException {
        long locator = locator(frame);
        return isInExtent(locator) ? (int) PageLocator.location(locator) : -1;
    }

    /// {@return the slot in its extent of a stored or duplicate page, or -1}
    public int slot(long frame) throws IOException {
        long locator = locator(frame);
        return isInExtent(locator) ? PageLocator.slot(locator) : -1;
    }

    /// {@return the number of the disk of an on-disk page, or -1}
    public int disk(long frame) throws IOException {
        long locator = locator(frame);
        return isOnDisk(locator) ? PageLocator.slot(locator) : -1;
    }

    /// {@return the number of the 4 KiB block, in what the guest sees of its disk, of an on-disk page, or
    /// -1}
    public long diskBlock(long frame) throws IOException {
        long locator = locator(frame);
        return isOnDisk(locator) ? PageLocator.location(locator) : -1;
    }

    /// {@return XXH3-64 of the page's content, for a zero page too}
    public long checksum(long frame) throws IOException {
        return locator(frame) == PageLocator.ZERO ? ZERO_PAGE_CHECKSUM : pageTable.storedChecksum(frame);
    }

    /// {@return the first frame from `frame` on that is no zero page, or [#frameCount]}
    public long nextNonZero(long frame) throws IOException {
        long next = frame;
        while (next < frameCount()) {
            int chunk = (int) (next / ImageFormat.CHUNK_ENTRIES);
            if (pageTable.isAllZero(chunk)) {
                next = (chunk + 1L) * ImageFormat.CHUNK_ENTRIES;
            } else if (pageTable.locator(next) == PageLocator.ZERO) {
                next++;
            } else {
                return next;
            }
        }
        return frameCount();
    }

    /// What [#forEachNonZero] calls for each page.
    @FunctionalInterface
    public interface FrameVisitor {
        /// @param location extent index, or block number of a disk
        /// @param slot slot in the extent, or number of the disk
        void visit(long frame, PageClass pageClass, long location, int slot) throws IOException;
    }

    /// Visits the pages that are not zero in ascending order: 16 million take about a tenth of a second.
    public void forEachNonZero(FrameVisitor visitor) throws IOException {
        pageTable.forEachNonZero((frame, locator) ->
                visitor.visit(frame, classOf(locator), PageLocator.location(locator), PageLocator.slot(locator)));
    }

    public int extentCount() {
        return extents.count();
    }

    /// {@return the pages in an extent, all but the last}
    public int extentPages() {
        return header.extentPages();
    }

    /// {@return where the extent stands in the file: reading in this order is reading forward}
    public long extentOffset(int index) {
        return extents.offset(checkExtent(index));
    }

    /// {@return the bytes of the extent in the file}
    public int extentLengthBytes(int index) {
        return extents.lengthBytes(checkExtent(index));
    }

    public ExtentBuffer newExtentBuffer() {
        return new ExtentBuffer(header.extentPages(), sections.newBox());
    }

    /// Says that extents are going to be read ([ReadableFile#willNeed]).
    ///
    /// @return their bytes in the file
    public long willNeedExtents(int first, int count) {
        long bytes = 0;
        long start = extentOffset(first);
        long end = start;
        for (int index = first; index < first + count; index++) {
            long offset = extentOffset(index);
            if (offset != end) { // Those of one capture lie one behind the other.
                in.willNeed(start, end - start);
                start = offset;
            }
            end = offset + extentLengthBytes(index);
            bytes += extentLengthBytes(index);
        }
        in.willNeed(start, end - start);
        return bytes;
    }

    /// Reads, checks and decompresses an extent; its pages are still to be verified by [#verifyPage].
    public void readExtent(int index, ExtentBuffer into) throws IOException {
        into.read(in, extents, checkExtent(index));
    }

    /// {@return the frames that are stored in the extent, by slot}. The first call passes over the whole
    /// page table.
    public long[] framesOfExtent(int index) throws IOException {
        return extentFrames().storedFrames(checkExtent(index));
    }

    /// {@return the frames that are duplicates of one stored in the extent, ascending}. The first call of
    /// this or of [#framesOfExtent] passes over the whole page table.
    public long[] duplicatesOfExtent(int index) throws IOException {
        return extentFrames().duplicateFrames(checkExtent(index));
    }

    /// Compares what remains in the buffer, the whole page, with the page's checksum.
    ///
    /// @throws CorruptImageException if it is not the page's content
    public void verifyPage(long frame, ByteBuffer page) throws IOException {
        long locator = locator(frame);
        long stated = checksum(frame);
        long computed = Xxh3.hash64(page);
        if (computed != stated) {
            throw in.corrupt(
                    isInExtent(locator) ? extents.offset((int) PageLocator.location(locator)) : 0,
                    "page of frame %d (%s) has checksum %#x, not %#x",
                    frame,
                    describe(locator),
                    computed,
                    stated);
        }
    }

    /// {@return whether the memory, a whole page, is the page's content}
    public boolean isIntact(long frame, MemorySegment page) throws IOException {
        return Xxh3.hash64(page) == checksum(frame);
    }

    /// Reads and checks everything that opening did not: all chunks of the page table, the device state,
    /// all extents, all pages in them. Takes the time to read the file.
    ///
    /// @throws dev.dormouse.storage.StorageException if the file cannot be read; damage is in the report
    public VerifyReport verify(VerifyReport.Progress progress) throws IOException {
        return new ImageVerifier(this, null, progress).run();
    }

    /// As [#verify(VerifyReport.Progress)], and reads every page back that is on a disk. A page that cannot be
    /// read, or is another one now, is damage in the report.
    public VerifyReport verifyDeep(OnDiskReader disks, VerifyReport.Progress progress) throws IOException {
        return new ImageVerifier(this, disks, progress).run();
    }

    @Override
    public void close() throws IOException {
        in.close();
        pageTable.close();
    }

    PageTable pageTable() {
        return pageTable;
    }

    /// {@return the pages in all extents, which are at least one}
    long plainPages() {
        int last = extents.count() - 1;
        return (long) last * header.extentPages() + extents.pageCount(last);
    }

    /// {@return the length of a section, 0 if it is not there}
    long sectionBytes(SectionType type) {
        return sections.find(type).map(Section::lengthBytes).orElse(0L);
    }

    long allSectionBytes() {
        return sections.all().stream().mapToLong(Section::lengthBytes).sum();
    }

    /// {@return the sections that this build does not know and may ignore}
    List<Section> unknownSections() {
        return sections.all().stream()
                .filter(section -> SectionType.ofCode(section.code()) == null)
                .toList();
    }

    ByteBuffer readSection(Section section) throws IOException {
        return sections.read(section);
    }

    long locator(long frame) throws IOException {
        return pageTable.locator(Objects.checkIndex(frame, frameCount()));
    }

    static boolean isInExtent(long locator) {
        int code = PageLocator.classCode(locator);
        return code == PageClass.STORED.code() || code == PageClass.DUPLICATE.code();
    }

    private static boolean isOnDisk(long locator) {
        return PageLocator.classCode(locator) == PageClass.ON_DISK.code();
    }

    private static PageClass classOf(long locator) {
        PageClass pageClass = PageClass.ofCode(PageLocator.classCode(locator));
        assert pageClass != null : "the chunk was checked when it was loaded";
        return pageClass;
    }

    private static String describe(long locator) {
        PageClass pageClass = classOf(locator);
        return switch (pageClass) {
            case ZERO -> "zero";
            case STORED, DUPLICATE -> "extent " + PageLocator.location(locator) + ", slot " + PageLocator.slot(locator);
            case ON_DISK -> "disk " + PageLocator.slot(locator) + ", block " + PageLocator.location(locator);
        };
    }

    private ExtentFrames extentFrames() throws IOException {
        ExtentFrames built = extentFrames;
        if (built == null) {
            // Two threads may both build it: the same, and once in the life of a reader.
            built = buildExtentFrames();
            extentFrames = built;
        }
        return built;
    }

    private ExtentFrames buildExtentFrames() throws IOException {
        var building = new ExtentFrames(extents.count(), header.extentPages());
        pageTable.forEachNonZero((frame, locator) -> {
            if (isInExtent(locator) && !building.add(frame, locator)) {
                throw in.corrupt(
                        sections.section(SectionType.PAGE_TABLE).offset(),
                        "frame %d is stored in the slot of another frame (%s)",
                        frame,
                        describe(locator));
            }
        });
        return building.finish();
    }

    private int checkExtent(int index) {
        return Objects.checkIndex(index, extents.count());
    }

    private static byte[] bytes(ByteBuffer buffer) {
        var bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }
}
