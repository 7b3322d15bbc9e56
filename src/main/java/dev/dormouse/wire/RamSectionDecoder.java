package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.EndOfPages;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.ZeroPage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads the bodies of the section `ram`: the block list of its START, the page records of its parts.
/// Remembers across sections which block the last record named, as the sender does.
final class RamSectionDecoder {
    private final WireInput in;
    private final CaptureOptions options;
    private final Map<String, RamBlock> blocks = new HashMap<>();
    private @Nullable RamBlock lastBlock;

    RamSectionDecoder(WireInput in, CaptureOptions options) {
        this.in = in;
        this.options = options;
    }

    /// For a connection whose blocks are known from an earlier one.
    void knowBlocks(List<RamBlock> known) {
        for (RamBlock block : known) {
            blocks.put(block.name(), block);
        }
    }

    /// Reads the body of START up to its EOS mark.
    ///
    /// @param advised page sizes that ADVISE announced, 0 if there was none
    RamStart start(int sectionId, int versionId, long advised) throws IOException {
        in.enter("RAM block list");
        long word = in.s64();
        long totalBytes = word & ~(long) WireFormat.RAM_FLAG_MASK;
        if ((word & WireFormat.RAM_FLAG_MASK) != WireFormat.RAM_MEM_SIZE
                || totalBytes <= 0
                || totalBytes > WireFormat.RAM_BYTES_MAX) {
            throw in.error("RAM size word is %#x, flag 4 and 4096 bytes to 2^48 are allowed".formatted(word));
        }
        checkPageSizes(advised);
        var guestAddresses = new ArrayList<Long>();
        var list = new ArrayList<RamBlock>();
        long leftBytes = totalBytes;
        while (leftBytes > 0) {
            RamBlock block = block(leftBytes, advised != 0);
            if (options.ignoreShared()) {
                guestAddresses.add(in.s64());
            }
            list.add(block);
            leftBytes -= block.lengthBytes();
        }
        word = in.s64();
        if (word != WireFormat.RAM_EOS) {
            throw in.error("RAM block list ends with %#x, %#x is allowed".formatted(word, WireFormat.RAM_EOS));
        }
        return new RamStart(sectionId, versionId, list, guestAddresses);
    }

    private RamBlock block(long leftBytes, boolean advised) throws IOException {
        String name = in.str8();
        long lengthBytes = in.s64();
        if (lengthBytes <= 0 || lengthBytes > leftBytes || lengthBytes % RamBlock.TARGET_PAGE_BYTES != 0) {
            throw in.error("RAM block '%s' has %d bytes, whole pages up to %d bytes are allowed"
                    .formatted(name, lengthBytes, leftBytes));
        }
        if (blocks.size() == WireFormat.RAM_BLOCKS_MAX) {
            throw in.error("more than " + WireFormat.RAM_BLOCKS_MAX + " RAM blocks");
        }
        int pageSizeBytes = options.blockPageSizeBytes().getOrDefault(name, RamBlock.TARGET_PAGE_BYTES);
        if (advised && pageSizeBytes != RamBlock.TARGET_PAGE_BYTES) {
            long sentBytes = in.s64();
            if (sentBytes != pageSizeBytes) {
                throw in.error("RAM block '%s' has pages of %d bytes, %d were expected"
                        .formatted(name, sentBytes, pageSizeBytes));
            }
        }
        var block = new RamBlock(name, lengthBytes, pageSizeBytes);
        if (blocks.put(name, block) != null) {
            throw in.error("RAM block '" + name + "' comes twice");
        }
        return block;
    }

    /// Which blocks carry a page size is not in the stream: the receiver must know it beforehand.
    private void checkPageSizes(long advised) throws ProtocolException {
        boolean huge = (advised & ~(long) RamBlock.TARGET_PAGE_BYTES) != 0;
        if (huge && options.blockPageSizeBytes().isEmpty()) {
            throw in.error("the sender has postcopy-ram on and pages of sizes %#x, switch the capability off"
                    .formatted(advised));
        }
    }

    /// Reads the next record of an open part.
    StreamMessage record() throws IOException {
        in.enter("page record");
        long word = in.s64();
        int flags = (int) word & WireFormat.RAM_FLAG_MASK;
        return switch (flags) {
            case WireFormat.RAM_PAGE | WireFormat.RAM_CONTINUE -> page(sameBlock(), word);
            case WireFormat.RAM_ZERO | WireFormat.RAM_CONTINUE -> zeroPage(sameBlock(), word);
            case WireFormat.RAM_PAGE -> page(namedBlock(), word);
            case WireFormat.RAM_ZERO -> zeroPage(namedBlock(), word);
            case WireFormat.RAM_EOS -> end(word);
            default -> throw refusal(flags, word);
        };
    }

    private Page page(RamBlock block, long word) throws IOException {
        long offset = offset(block, word);
        return new Page(block, offset, in.view(RamBlock.TARGET_PAGE_BYTES));
    }

    private ZeroPage zeroPage(RamBlock block, long word) throws IOException {
        long offset = offset(block, word);
        int fill = in.u8();
        if (fill != 0) {
            throw in.error("page at %#x of RAM block '%s' is filled with 0x%02x, 0x00 is allowed"
                    .formatted(offset, block.name(), fill));
        }
        return new ZeroPage(block, offset);
    }

    private EndOfPages end(long word) throws ProtocolException {
        if (word != WireFormat.RAM_EOS) {
            throw in.error("end of pages is %#x, %#x is allowed".formatted(word, WireFormat.RAM_EOS));
        }
        return new EndOfPages();
    }

    private long offset(RamBlock block, long word) throws ProtocolException {
        long offset = word & ~(long) WireFormat.RAM_FLAG_MASK;
        if (offset < 0 || offset >= block.lengthBytes()) {
            throw in.error("page at %#x of RAM block '%s', which has %d bytes"
                    .formatted(offset, block.name(), block.lengthBytes()));
        }
        return offset;
    }

    private RamBlock sameBlock() throws ProtocolException {
        if (lastBlock == null) {
            throw in.error("page record continues a RAM block, but none was named yet");
        }
        return lastBlock;
    }

    private RamBlock namedBlock() throws IOException {
        String name = in.str8();
        RamBlock block = blocks.get(name);
        if (block == null) {
            throw in.error("page of unknown RAM block '" + name + "'");
        }
        lastBlock = block;
        return block;
    }

    private ProtocolException refusal(int flags, long word) {
        String capability = switch (flags & ~WireFormat.RAM_CONTINUE) {
            case WireFormat.RAM_XBZRLE -> "xbzrle";
            case WireFormat.RAM_COMPRESS_PAGE -> "compress";
            case WireFormat.RAM_MULTIFD_FLUSH -> "multifd";
            case WireFormat.RAM_HOOK -> "RDMA";
            default -> "";
        };
        if (capability.isEmpty()) {
            return in.error("page record starts with %#x, whose flags %#x are unknown".formatted(word, flags));
        }
        String remedy = capability.equals("RDMA") ? "migrate to a unix socket" : "switch the capability off";
        return in.error("record of %s (flags %#x), %s".formatted(capability, flags, remedy));
    }
}
