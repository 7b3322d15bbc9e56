package dev.dormouse.wire;

import dev.dormouse.base.RamBlock;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/// One element of the migration stream, source to destination, in the order in which it stands there.
/// Byte layouts: `docs/protocol.md`.
public sealed interface StreamMessage
        permits Command,
                StreamMessage.Header,
                StreamMessage.Configuration,
                StreamMessage.RamStart,
                StreamMessage.RamPart,
                StreamMessage.ZeroPage,
                StreamMessage.Page,
                StreamMessage.EndOfPages,
                StreamMessage.DeviceState,
                StreamMessage.VmDescription,
                StreamMessage.EndOfStream {
    /// Magic and version, the first eight bytes.
    record Header(int version) implements StreamMessage {
        public Header() {
            this(WireFormat.VERSION);
        }
    }

    /// The machine type of the sender and what else it wants compared.
    record Configuration(String machine, List<Subsection> subsections) implements StreamMessage {
        public Configuration {
            subsections = List.copyOf(subsections);
        }

        /// {@return the same without the capability list, which names what was on during the capture and
        /// would have to be on at the destination too}
        public Configuration withoutCapabilities() {
            return without(Subsection.CAPABILITIES);
        }

        /// {@return the same without the UUID, for a clone that gets its own}
        public Configuration withoutUuid() {
            return without(Subsection.UUID);
        }

        /// {@return the capabilities that the sender wants compared; empty if it sent no list}
        public List<String> capabilities() {
            return subsections.stream()
                    .filter(subsection -> subsection.name().equals(Subsection.CAPABILITIES))
                    .flatMap(subsection -> subsection.strings().stream())
                    .toList();
        }

        private Configuration without(String name) {
            return new Configuration(
                    machine,
                    subsections.stream()
                            .filter(subsection -> !subsection.name().equals(name))
                            .toList());
        }
    }

    /// Part of [Configuration]; the payload is kept as it came. The array is not copied.
    @SuppressWarnings("ArrayRecordComponent") // equals, hashCode and toString go by content, below.
    record Subsection(String name, int version, byte[] payload) {
        public static final String TARGET_PAGE_BITS = "configuration/target-page-bits";
        public static final String CAPABILITIES = "configuration/capabilities";
        public static final String UUID = "configuration/uuid";

        /// {@return the list that makes the destination compare its capabilities}
        public static Subsection ofCapabilities(List<String> names) {
            int bytes = 4 + names.stream().mapToInt(name -> 1 + name.length()).sum();
            ByteBuffer payload = ByteBuffer.allocate(bytes).putInt(names.size());
            for (String name : names) {
                payload.put((byte) name.length()).put(name.getBytes(StandardCharsets.US_ASCII));
            }
            return new Subsection(CAPABILITIES, 1, payload.array());
        }

        /// Reads the payload of a capability list; the decoder has checked its form.
        private List<String> strings() {
            ByteBuffer in = ByteBuffer.wrap(payload);
            int count = in.getInt();
            var names = new ArrayList<String>();
            for (int i = 0; i < count; i++) {
                byte[] name = new byte[in.get() & 0xff];
                in.get(name);
                names.add(new String(name, StandardCharsets.US_ASCII));
            }
            return names;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Subsection that
                    && name.equals(that.name)
                    && version == that.version
                    && Arrays.equals(payload, that.payload);
        }

        @Override
        public int hashCode() {
            return Objects.hash(name, version, Arrays.hashCode(payload));
        }

        @Override
        public String toString() {
            return "Subsection[%s, version %d, %s]"
                    .formatted(name, version, HexFormat.of().formatHex(payload));
        }
    }

    /// START of the section `ram`: every migratable block, in the sender's order. Its EOS mark and footer
    /// belong to it.
    ///
    /// @param sectionId the id under which the later parts come
    /// @param guestAddresses with `x-ignore-shared` one guest physical address per block, else empty
    record RamStart(int sectionId, int versionId, List<RamBlock> blocks, List<Long> guestAddresses)
            implements StreamMessage {
        public RamStart {
            blocks = List.copyOf(blocks);
            guestAddresses = List.copyOf(guestAddresses);
            if (!guestAddresses.isEmpty() && guestAddresses.size() != blocks.size()) {
                throw new IllegalArgumentException(guestAddresses.size() + " guest addresses for " + blocks.size()
                        + " RAM blocks, none or one for each is allowed");
            }
        }

        public RamStart(int sectionId, List<RamBlock> blocks) {
            this(sectionId, WireFormat.RAM_VERSION, blocks, List.of());
        }
    }

    /// A PART (or, if last, the END) of the section `ram` opens; page records and [EndOfPages] follow.
    record RamPart(int sectionId, boolean last) implements StreamMessage {}

    /// A page of zeros.
    record ZeroPage(RamBlock block, long offset) implements StreamMessage {}

    /// A page with its 4096 bytes. From a reader, `data` is a view that the next read overwrites.
    record Page(RamBlock block, long offset, ByteBuffer data) implements StreamMessage {}

    /// The open part is complete and its footer fits.
    record EndOfPages() implements StreamMessage {}

    /// All device sections, whole, as they came: from the first FULL section to before the EOF mark. The
    /// array is not copied.
    @SuppressWarnings("ArrayRecordComponent") // equals, hashCode and toString go by content, below.
    record DeviceState(byte[] blob) implements StreamMessage {
        @Override
        public boolean equals(Object other) {
            return other instanceof DeviceState that && Arrays.equals(blob, that.blob);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(blob);
        }

        @Override
        public String toString() {
            return "DeviceState[" + blob.length + " bytes]";
        }
    }

    /// QEMU's description of the device sections.
    record VmDescription(String json) implements StreamMessage {}

    /// The EOF mark was read and, unless the stream is a postcopy one, the peer has closed.
    record EndOfStream() implements StreamMessage {}
}
