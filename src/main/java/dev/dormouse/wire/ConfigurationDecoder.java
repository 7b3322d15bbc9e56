package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.Subsection;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// Reads the header and the configuration section, which open every first connection.
final class ConfigurationDecoder {
    private static final int TARGET_PAGE_BITS = Integer.numberOfTrailingZeros(RamBlock.TARGET_PAGE_BYTES);
    private static final int UUID_BYTES = 16;

    private final WireInput in;
    private final CaptureOptions options;

    ConfigurationDecoder(WireInput in, CaptureOptions options) {
        this.in = in;
        this.options = options;
    }

    Header header() throws IOException {
        in.enter("header");
        int magic = in.s32();
        if (magic != WireFormat.MAGIC) {
            throw in.error("magic is %#x, a migration stream starts with %#x".formatted(magic, WireFormat.MAGIC));
        }
        int version = in.s32();
        if (version != WireFormat.VERSION) {
            throw in.error("stream version is " + version + ", this build reads " + WireFormat.VERSION);
        }
        return new Header(version);
    }

    Configuration configuration() throws IOException {
        in.enter("configuration");
        int type = in.u8();
        if (type != WireFormat.SECTION_CONFIGURATION) {
            throw in.error("section type 0x%02x instead of the configuration, use a machine type newer than 2.3"
                    .formatted(type));
        }
        long nameBytes = in.u32();
        if (nameBytes < 1 || nameBytes > WireFormat.MACHINE_NAME_BYTES_MAX) {
            throw in.error("machine name has " + nameBytes + " bytes, 1 to " + WireFormat.MACHINE_NAME_BYTES_MAX
                    + " are allowed");
        }
        var configuration = new Configuration(in.ascii((int) nameBytes), subsections());
        checkCapabilities(configuration.capabilities());
        return configuration;
    }

    /// The list has no end mark: it goes on as long as the next byte is that of a subsection.
    private List<Subsection> subsections() throws IOException {
        var subsections = new ArrayList<Subsection>();
        while (in.peekU8() == WireFormat.SECTION_SUBSECTION) {
            Subsection next = subsection();
            if (subsections.stream().anyMatch(known -> known.name().equals(next.name()))) {
                throw in.error("subsection '" + next.name() + "' comes twice");
            }
            subsections.add(next);
        }
        return subsections;
    }

    private Subsection subsection() throws IOException {
        in.u8();
        String name = in.str8();
        int version = in.s32();
        if (version != 1) {
            throw in.error("subsection '" + name + "' has version " + version + ", this build reads 1");
        }
        byte[] payload = switch (name) {
            case Subsection.TARGET_PAGE_BITS -> targetPageBits();
            case Subsection.CAPABILITIES -> capabilities();
            case Subsection.UUID -> in.bytes(UUID_BYTES);
            default -> throw in.error("unknown subsection '" + name + "', page bits, capabilities and UUID are known");
        };
        return new Subsection(name, version, payload);
    }

    private byte[] targetPageBits() throws IOException {
        int bits = in.s32();
        if (bits != TARGET_PAGE_BITS) {
            throw in.error("target pages of 2^" + bits + " bytes, only 4096 bytes (x86-64) are supported");
        }
        return ByteBuffer.allocate(4).putInt(bits).array();
    }

    private byte[] capabilities() throws IOException {
        long count = in.u32();
        if (count > WireFormat.CAPABILITIES_MAX) {
            throw in.error(count + " capabilities, " + WireFormat.CAPABILITIES_MAX + " are allowed");
        }
        var names = new ArrayList<String>();
        for (int i = 0; i < count; i++) {
            names.add(in.str8());
        }
        return Subsection.ofCapabilities(names).payload();
    }

    private void checkCapabilities(List<String> names) throws ProtocolException {
        if (names.contains("mapped-ram")) {
            throw in.error("the sender has mapped-ram on, switch the capability off");
        }
        boolean ignoreShared = names.contains("x-ignore-shared");
        if (ignoreShared != options.ignoreShared()) {
            throw in.error("the sender has x-ignore-shared %s, %s was expected, set the capability before the capture"
                    .formatted(ignoreShared ? "on" : "off", options.ignoreShared() ? "on" : "off"));
        }
    }
}
