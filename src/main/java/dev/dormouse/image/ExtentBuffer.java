package dev.dormouse.image;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Room for one decompressed extent, used over and over: reading into it allocates nothing. One thread
/// at a time. Made by [ImageReader#newExtentBuffer], for images with extents of that size.
public final class ExtentBuffer implements AutoCloseable {
    private final int extentPages;
    private final ImageCipher.@Nullable Box box;
    private final ByteBuffer sealed; // As it is in the file, if it is encrypted.
    private final ByteBuffer compressed;
    private final ByteBuffer plain;
    private final MemorySegment plainBytes;
    private final ByteBuffer[] pages;
    private final ZstdDecompressCtx context = new ZstdDecompressCtx();
    private int extentIndex = -1;
    private int pageCount;

    /// @param box what decrypts the extents; null if they are not encrypted
    ExtentBuffer(int extentPages, ImageCipher.@Nullable Box box) {
        this.extentPages = extentPages;
        this.box = box;
        int plainLength = extentPages * ImageFormat.PAGE_BYTES;
        compressed = ByteBuffer.allocateDirect((int) Zstd.compressBound(plainLength));
        sealed = box == null ? compressed : ByteBuffer.allocateDirect(compressed.capacity() + ImageCipher.TAG_BYTES);
        plain = ByteBuffer.allocateDirect(plainLength);
        plainBytes = MemorySegment.ofBuffer(plain);
        pages = new ByteBuffer[extentPages];
        for (int slot = 0; slot < extentPages; slot++) {
            pages[slot] = plain.slice(slot * ImageFormat.PAGE_BYTES, ImageFormat.PAGE_BYTES);
        }
    }

    /// {@return the number of the extent that it holds, or -1}
    public int extentIndex() {
        return extentIndex;
    }

    /// {@return the pages that it holds}
    public int pageCount() {
        return pageCount;
    }

    /// {@return the page in the slot, a direct buffer of 4096 bytes from its start; the same buffer each
    /// time, good until the next extent is read}
    public ByteBuffer page(int slot) {
        checkSlot(slot);
        return pages[slot].clear();
    }

    /// {@return the page in the slot as memory, good until the next extent is read}
    public MemorySegment pageSegment(int slot) {
        checkSlot(slot);
        return plainBytes.asSlice((long) slot * ImageFormat.PAGE_BYTES, ImageFormat.PAGE_BYTES);
    }

    /// {@return pages in slots that follow one another, a direct buffer from its start, good until the next
    /// extent is read}
    public ByteBuffer pages(int firstSlot, int count) {
        checkSlot(firstSlot);
        checkSlot(firstSlot + count - 1);
        return plain.slice(firstSlot * ImageFormat.PAGE_BYTES, count * ImageFormat.PAGE_BYTES);
    }

    @Override
    public void close() {
        context.close();
    }

    /// The numbers of the extent were checked when the image was opened.
    void read(ImageFile in, ExtentTable table, int extent) throws IOException {
        if (table.pageCount(extent) > extentPages) {
            throw new IllegalArgumentException(
                    "extent of " + table.pageCount(extent) + " pages does not fit into a buffer of " + extentPages);
        }
        extentIndex = -1;
        boolean zstd = table.isCompressed(extent);
        plain.clear(); // A raw extent before this one may have left a limit.
        ByteBuffer content = (zstd ? compressed : plain).clear();
        ByteBuffer bytes = (box == null ? content : sealed).clear().limit(table.lengthBytes(extent));
        in.readFully(bytes, table.offset(extent));
        in.checkChecksum("extent", bytes.flip(), table.offset(extent), table.checksum(extent));
        if (box != null) {
            boolean opened = box.open(SectionType.EXTENTS.code(), table.offset(extent), bytes, content);
            in.check(opened, table.offset(extent), "extent was not written with the image's key");
        }
        pageCount = table.pageCount(extent);
        if (zstd) {
            decompress(in, table, extent, box == null ? bytes.limit() : content.position());
        }
        extentIndex = extent;
    }

    private void decompress(ImageFile in, ExtentTable table, int extent, int compressedBytes) throws IOException {
        int expectedBytes = pageCount * ImageFormat.PAGE_BYTES;
        try {
            int length = context.decompressDirectByteBuffer(plain, 0, expectedBytes, compressed, 0, compressedBytes);
            if (length != expectedBytes) {
                throw in.corrupt(table.offset(extent), "extent has %d bytes, not %d", length, expectedBytes);
            }
        } catch (ZstdException e) {
            throw new CorruptImageException(in.path(), table.offset(extent), "extent cannot be decompressed", e);
        }
    }

    private void checkSlot(int slot) {
        if (extentIndex < 0 || slot < 0 || slot >= pageCount) {
            throw new IllegalArgumentException(
                    "slot " + slot + " of extent " + extentIndex + ", which has " + pageCount);
        }
    }
}
