package dev.dormouse.base;

import java.nio.charset.StandardCharsets;

/// One block of guest memory as QEMU names and sizes it (`RAMBlock.idstr`, `used_length`), for example
/// `pc.ram`. Offsets and frames of a page are relative to its block.
///
/// @param name 1 to 255 bytes of ASCII, as on the wire
/// @param lengthBytes a positive multiple of the page size
/// @param pageSizeBytes size of the host pages behind the block: 4096, or that of its huge pages
public record RamBlock(String name, long lengthBytes, int pageSizeBytes) {
    /// The only target page size that is supported (x86-64).
    public static final int TARGET_PAGE_BYTES = 4096;

    public RamBlock {
        int nameBytes = name.getBytes(StandardCharsets.US_ASCII).length;
        if (nameBytes < 1 || nameBytes > 255) {
            throw new IllegalArgumentException("RAM block name has " + nameBytes + " bytes, 1 to 255 are allowed");
        }
        if (pageSizeBytes < TARGET_PAGE_BYTES || Integer.bitCount(pageSizeBytes) != 1) {
            throw new IllegalArgumentException("RAM block " + name + ": page size is " + pageSizeBytes
                    + " bytes, a power of two from 4096 is allowed");
        }
        if (lengthBytes <= 0 || lengthBytes % TARGET_PAGE_BYTES != 0) {
            throw new IllegalArgumentException("RAM block " + name + ": length is " + lengthBytes
                    + " bytes, a positive multiple of 4096 is allowed");
        }
    }

    public RamBlock(String name, long lengthBytes) {
        this(name, lengthBytes, TARGET_PAGE_BYTES);
    }

    /// {@return the number of target pages in the block}
    public long frameCount() {
        return lengthBytes / TARGET_PAGE_BYTES;
    }
}
