package dev.dormouse.image;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.image.ImageFormat.ExtentEntry;
import dev.dormouse.storage.Xxh3;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// One extent on its way: filled by the writer's thread, compressed by another, written by the first.
/// The semaphore hands it back, so its fields need no lock. Reused for the whole image.
final class ExtentJob {
    private final ByteBuffer plain;
    private final MemorySegment plainBytes;
    private final ByteBuffer compressed;
    private final @Nullable ByteBuffer sealed;
    private final Semaphore done = new Semaphore(0);
    private int pageCount;
    private int compressedBytes;
    private int encoding;
    private long checksum;
    private @Nullable Throwable failure;

    /// @param encrypted whether it will be sealed
    ExtentJob(int pagesMax, boolean encrypted) {
        plain = ByteBuffer.allocateDirect(pagesMax * ImageFormat.PAGE_BYTES);
        plainBytes = MemorySegment.ofBuffer(plain);
        compressed = ByteBuffer.allocateDirect((int) Zstd.compressBound(plain.capacity()));
        sealed = encrypted ? ByteBuffer.allocateDirect(compressed.capacity() + ImageCipher.TAG_BYTES) : null;
    }

    int pageCount() {
        return pageCount;
    }

    boolean isFull() {
        return (long) pageCount * ImageFormat.PAGE_BYTES == plain.capacity();
    }

    void add(MemorySegment page) {
        MemorySegment.copy(page, 0, plainBytes, (long) pageCount * ImageFormat.PAGE_BYTES, ImageFormat.PAGE_BYTES);
        pageCount++;
    }

    void clear() {
        pageCount = 0;
        failure = null;
    }

    /// On the compressing thread. Whatever happens, the writer is told.
    void compress(ZstdCompressCtx context) {
        try {
            int plainLength = pageCount * ImageFormat.PAGE_BYTES;
            int length = context.compressDirectByteBuffer(compressed, 0, compressed.capacity(), plain, 0, plainLength);
            boolean shrunk = length < plainLength;
            encoding = shrunk ? ExtentEntry.ENCODING_ZSTD : ExtentEntry.ENCODING_RAW;
            compressedBytes = shrunk ? length : plainLength;
            if (sealed == null) {
                checksum = Xxh3.hash64(bytes());
            }
        } catch (ZstdException | Error e) {
            failure = e;
        } finally {
            done.release();
        }
    }

    /// Waits for [#compress], which takes well under a millisecond once it has begun.
    void await() throws InterruptedException {
        done.acquire();
        if (failure != null) {
            throw new IllegalStateException("compressing an extent failed", failure);
        }
    }

    /// Encrypts it, once it is compressed and its place in the file known: on the writer's thread.
    void seal(ImageCipher.Box box, long offset) {
        if (sealed == null) {
            throw new IllegalStateException("no room to encrypt an extent");
        }
        sealed.clear();
        box.seal(SectionType.EXTENTS.code(), offset, content(), sealed);
        sealed.flip();
        checksum = Xxh3.hash64(sealed);
    }

    /// {@return what goes into the file}
    ByteBuffer bytes() {
        return sealed == null ? content() : sealed.duplicate();
    }

    private ByteBuffer content() {
        return (encoding == ExtentEntry.ENCODING_ZSTD ? compressed : plain).slice(0, compressedBytes);
    }

    void writeEntry(ByteBuffer table, int at, long offset) {
        table.putLong(at + ExtentEntry.OFFSET.offset(), offset)
                .putInt(at + ExtentEntry.LENGTH.offset(), bytes().remaining())
                .put(at + ExtentEntry.PAGE_COUNT.offset(), (byte) pageCount)
                .put(at + ExtentEntry.ENCODING.offset(), (byte) encoding)
                .putShort(at + ExtentEntry.RESERVED.offset(), (short) 0)
                .putLong(at + ExtentEntry.CHECKSUM.offset(), checksum);
    }
}
