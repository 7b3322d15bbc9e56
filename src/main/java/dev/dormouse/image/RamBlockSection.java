package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The RAM blocks as the image lists them: section id (u32), count (u32), then for each length (u64),
/// page size (u32), length of the name (u8), name.
record RamBlockSection(int ramSectionId, List<RamBlock> blocks) {
    private static final int BLOCK_BYTES_MIN = 14;

    static RamBlockSection read(ImageFile in, SectionDirectory directory) throws IOException {
        long position = directory.section(SectionType.RAM_BLOCKS).offset();
        ByteBuffer bytes = directory.read(SectionType.RAM_BLOCKS);
        in.check(bytes.remaining() >= 8, position, "list of RAM blocks has %d bytes", bytes.remaining());
        int ramSectionId = bytes.getInt();
        int count = bytes.getInt();
        in.check(
                count >= 1 && count <= ImageFormat.RAM_BLOCKS_MAX,
                position + 4,
                "image has %d RAM blocks, 1 to %d are allowed",
                count,
                ImageFormat.RAM_BLOCKS_MAX);
        List<RamBlock> blocks = new ArrayList<>();
        Set<String> names = new HashSet<>();
        long frames = 0;
        for (int i = 0; i < count; i++) {
            long at = position + bytes.position();
            RamBlock block = readBlock(in, bytes, at);
            in.check(names.add(block.name()), at, "RAM block %s stands twice in the list", block.name());
            frames += block.frameCount(); // Each is at most FRAMES_MAX: no overflow.
            blocks.add(block);
        }
        in.check(!bytes.hasRemaining(), position + bytes.position(), "bytes follow the last RAM block");
        in.check(frames <= ImageFormat.FRAMES_MAX, position, "guest memory has %d pages", frames);
        return new RamBlockSection(ramSectionId, List.copyOf(blocks));
    }

    private static RamBlock readBlock(ImageFile in, ByteBuffer bytes, long at) throws IOException {
        in.check(bytes.remaining() >= BLOCK_BYTES_MIN, at, "list of RAM blocks ends in the middle of one");
        long lengthBytes = bytes.getLong();
        int pageSizeBytes = bytes.getInt();
        int nameBytes = bytes.get() & 0xff;
        in.check(bytes.remaining() >= nameBytes, at, "list of RAM blocks ends in the middle of a name");
        var name = new byte[nameBytes];
        bytes.get(name);
        String text = new String(name, StandardCharsets.ISO_8859_1);
        String problem = problem(text, lengthBytes, pageSizeBytes);
        in.check(problem == null, at, "RAM block: %s", problem);
        return new RamBlock(text, lengthBytes, pageSizeBytes);
    }

    /// {@return what keeps such a block out of an image, or null}
    static @Nullable String problem(String name, long lengthBytes, int pageSizeBytes) {
        if (name.isEmpty() || name.length() > 255 || !name.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
            return "name is not 1 to 255 printable characters of ASCII";
        }
        if (pageSizeBytes < ImageFormat.PAGE_BYTES
                || pageSizeBytes > ImageFormat.RAM_BLOCK_PAGE_BYTES_MAX
                || Integer.bitCount(pageSizeBytes) != 1) {
            return "page size is " + pageSizeBytes + " bytes, not a power of two from 4096 to 2^30";
        }
        if (lengthBytes <= 0
                || lengthBytes % ImageFormat.PAGE_BYTES != 0
                || lengthBytes / ImageFormat.PAGE_BYTES > ImageFormat.FRAMES_MAX) {
            return "length is " + lengthBytes + " bytes, not a positive multiple of 4096 up to 2^43";
        }
        return null;
    }
}
