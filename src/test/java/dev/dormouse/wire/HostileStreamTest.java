package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.Header;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.Subsection;
import dev.dormouse.wire.StreamMessage.VmDescription;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostileStreamTest {
    private static final String OPENING = "5145564d 00000003 07 00000003 713335";
    private static final String START = "01 00000003 03 72616d 00000000 00000004";
    private static final String RAM = START + "0000000000001004 01 61 0000000000001000 0000000000000010 7e 00000003";
    private static final String PART = RAM + "02 00000003";

    /// Bytes behind header and configuration, and the whole message (without `vm7: byte `).
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            01 00000003 05 626c6f636b 00000000 00000001 | 35, section header: section 'block' cannot be captured, switch the capability 'block' off
            01 00000003 0c 64697274792d6269746d6170 00000000 00000001 | 42, section header: section 'dirty-bitmap' cannot be captured, switch the capability 'dirty-bitmaps' off
            01 00000003 06 302f7666696f 00000000 00000001 | 36, section header: section '0/vfio' cannot be captured, unplug the host device
            08 0008 0000 | 21, command: the sender has x-colo on and would never end, switch the capability off
            08 0003 0000 | 21, command: the sender has dirty-bitmaps on, switch the capability off
            08 0002 ffff | 21, command: command 2 has 65535 payload bytes, 4 are allowed
            08 0000 0000 | 21, command: command code 0, 1 or more is allowed
            08 0007 0004 ffffffff | 25, command: package of 4294967295 bytes, 536870912 are allowed
            08 0006 0014 01 01 61 00 | 22, command: DISCARD has version 1, this build reads 0
            08 0006 0014 00 01 61 00 0000000000000001 0000000000001000 | 41, command: DISCARD of 0x1000 bytes from 0x1, whole pages below 2^48 are allowed
            7e 00000003 | 17, section type: section type 0x7e, START, PART, END, FULL, COMMAND or EOF is allowed
            00 | 17, section type: EOF mark before the end of RAM
            04 00000001 | 16, section type: device section before the pages or beside a package, remove virtio-mem devices
            02 00000003 | 21, section header: part of section 3, only 'ram' between its START and END is allowed
            """)
    void refusesASectionItCannotRead(String hex, String message) {
        refuses(OPENING + hex, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0000000000000040 | 77, page record: record of xbzrle (flags 0x40), switch the capability off
            0000000000000100 | 77, page record: record of compress (flags 0x100), switch the capability off
            0000000000000200 | 77, page record: record of multifd (flags 0x200), switch the capability off
            0000000000000080 | 77, page record: record of RDMA (flags 0x80), migrate to a unix socket
            0000000000000000 | 77, page record: page record starts with 0x0, whose flags 0x0 are unknown
            0000000000001010 | 77, page record: end of pages is 0x1010, 0x10 is allowed
            0000000000000028 | 77, page record: page record continues a RAM block, but none was named yet
            0000000000000008 01 62 | 79, page record: page of unknown RAM block 'b'
            0000000000001008 01 61 | 79, page record: page at 0x1000 of RAM block 'a', which has 4096 bytes
            8000000000000008 01 61 | 79, page record: page at 0x8000000000000000 of RAM block 'a', which has 4096 bytes
            0000000000000002 01 61 01 | 80, page record: page at 0x0 of RAM block 'a' is filled with 0x01, 0x00 is allowed
            0000000000000008 00 | 78, page record: empty name
            0000000000000010 7e 00000004 | 82, section footer: footer 0x7e of section 4, 0x7e of section 3 is allowed
            """)
    void refusesAPageRecordItCannotRead(String hex, String message) {
        refuses(OPENING + PART + hex, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0000000000001000 | 41, RAM block list: RAM size word is 0x1000, flag 4 and 4096 bytes to 2^48 are allowed
            7ffffffffffff004 | 41, RAM block list: RAM size word is 0x7ffffffffffff004, flag 4 and 4096 bytes to 2^48 are allowed
            0000000000001004 01 61 0000000000002000 | 51, RAM block list: RAM block 'a' has 8192 bytes, whole pages up to 4096 bytes are allowed
            0000000000001004 01 61 0000000000000000 | 51, RAM block list: RAM block 'a' has 0 bytes, whole pages up to 4096 bytes are allowed
            0000000000001004 01 61 ffffffffffffffff | 51, RAM block list: RAM block 'a' has -1 bytes, whole pages up to 4096 bytes are allowed
            0000000000002004 01 61 0000000000001000 01 61 0000000000001000 | 61, RAM block list: RAM block 'a' comes twice
            0000000000001004 01 ff 0000000000001000 | 43, RAM block list: name with byte 0xff, printable ASCII is allowed
            0000000000001004 01 61 0000000000001000 0000000000000020 | 59, RAM block list: RAM block list ends with 0x20, 0x10 is allowed
            """)
    void refusesABlockListItCannotRead(String hex, String message) {
        refuses(OPENING + START + hex, message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            51455647 00000003 | 4, header: magic is 0x51455647, a migration stream starts with 0x5145564d
            5145564d 00000004 | 8, header: stream version is 4, this build reads 3
            5145564d 00000003 01 | 9, configuration: section type 0x01 instead of the configuration, use a machine type newer than 2.3
            5145564d 00000003 07 ffffffff | 13, configuration: machine name has 4294967295 bytes, 1 to 255 are allowed
            """)
    void refusesAnOpeningItCannotRead(String hex, String message) {
        refuses(hex, message);
    }

    @Test
    void refusesUnknownAndRepeatedSubsections() {
        refusesSubsections(
                List.of(new Subsection("configuration/x", 1, new byte[0])),
                "37, configuration: unknown subsection 'configuration/x', page bits, capabilities and UUID are known");
        refusesSubsections(
                List.of(new Subsection(Subsection.TARGET_PAGE_BITS, 1, new byte[] {0, 0, 0, 16})),
                "56, configuration: target pages of 2^16 bytes, only 4096 bytes (x86-64) are supported");
        refusesSubsections(
                List.of(Subsection.ofCapabilities(List.of()), Subsection.ofCapabilities(List.of())),
                "88, configuration: subsection 'configuration/capabilities' comes twice");
        refusesSubsections(
                List.of(Subsection.ofCapabilities(List.of("mapped-ram"))),
                "63, configuration: the sender has mapped-ram on, switch the capability off");
        refusesSubsections(
                List.of(Subsection.ofCapabilities(List.of("x-ignore-shared"))),
                "68, configuration: the sender has x-ignore-shared on, off was expected,"
                        + " set the capability before the capture");
    }

    @Test
    void boundsTheDeviceStateOnBothSides() throws IOException {
        byte[] stream = Streams.write(Streams.capture());
        int tailBytes = Streams.devices().blob().length
                + 6
                + Streams.description().json().length();
        var enough = CaptureOptions.defaults().withDeviceStateBytesMax(tailBytes);

        assertThat(Streams.read(stream, enough)).hasSize(Streams.capture().size());
        assertThatThrownBy(() -> Streams.read(stream, enough.withDeviceStateBytesMax(tailBytes - 1)))
                .isInstanceOf(ProtocolException.class)
                .hasMessage("vm7: byte %d, device state: more than %d bytes follow the pages,"
                                .formatted(stream.length - 1, tailBytes - 1)
                        + " raise the bound of the device state");
    }

    @Test
    void boundsAPackageOnBothSides() throws IOException {
        byte[] stream = Streams.write(Streams.postcopy());
        int packageBytes = Streams.devices().blob().length + 5 + 9 + 5;

        assertThat(Streams.read(stream, CaptureOptions.defaults().withDeviceStateBytesMax(packageBytes)))
                .isNotEmpty();
        assertThatThrownBy(
                        () -> Streams.read(stream, CaptureOptions.defaults().withDeviceStateBytesMax(packageBytes - 1)))
                .hasMessageEndingWith("package of %d bytes, %d are allowed".formatted(packageBytes, packageBytes - 1));
    }

    @Test
    void refusesADescriptionThatDoesNotFitTheSections() {
        refusesDescription("{\"devices\":[{\"name\":\"gpu\"}]}", "device 'gpu' of the VM description has no section");
        refusesDescription(
                "{\"devices\":[{\"name\":\"cpu\"},{\"name\":\"timer\"}]}",
                "device 'timer' of the VM description has no section");
        for (String name : List.of("\\ncpu", "", "g\u00f6pu", "x".repeat(256))) {
            refusesDescription(
                    "{\"devices\":[{\"name\":\"" + name + "\"}]}",
                    "VM description has a device with a name other than 1 to 255 characters of printable ASCII");
        }
        refusesDescription("{\"devices\":[{}]}", "VM description has a device without a name");
        refusesDescription("{\"devices\":3}", "VM description lists no devices");
        refusesDescription("{\"devices\":[", "VM description is not JSON");
        refusesDescription("{" + "[".repeat(100_000), "VM description is nested deeper than 200 levels");
    }

    @Test
    void acceptsAStreamWithoutDescriptionOnlyWhenToldTo() throws IOException {
        var messages = new ArrayList<>(Streams.capture());
        messages.removeIf(VmDescription.class::isInstance);
        byte[] stream = Streams.write(messages);

        assertThat(Streams.read(stream, CaptureOptions.defaults().withVmDescriptionRequired(false)))
                .isEqualTo(messages);
        assertThatThrownBy(() -> Streams.read(stream)).hasMessageEndingWith("ends without EOF mark and VM description");
    }

    @Test
    void refusesAPackageOfAnotherForm() {
        for (String hex : List.of("", "0800040000", "0800040000 0800050000", "0800040000 04000000 0800050000")) {
            var packaged = new Command.Packaged(hex(hex));

            assertThatThrownBy(() -> DevicePackage.decode(packaged, "vm7"))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageStartingWith("vm7: package ");
        }
    }

    /// A capture with `x-ignore-shared`, in which the shared block has no page.
    static byte[] sharedCapture() throws IOException {
        return Streams.write(List.of(
                new Header(),
                new Configuration("q35", List.of(Subsection.ofCapabilities(List.of("x-ignore-shared")))),
                new RamStart(Streams.RAM_ID, 4, Streams.BLOCKS, List.of(0L, 1L)),
                new RamPart(Streams.RAM_ID, true),
                new StreamMessage.ZeroPage(Streams.ROM, 0),
                new StreamMessage.EndOfPages(),
                Streams.devices(),
                Streams.description(),
                new StreamMessage.EndOfStream()));
    }

    private static void refusesSubsections(List<Subsection> subsections, String message) {
        var out = new ByteArrayOutputStream();
        try {
            out.writeBytes(Streams.write(List.of(new Header(), new Configuration("q35", subsections))));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        out.write(0);
        refuses(HexFormat.of().formatHex(out.toByteArray()), message);
    }

    private static void refusesDescription(String json, String message) {
        var messages = new ArrayList<>(Streams.capture());
        messages.replaceAll(next -> next instanceof VmDescription ? new VmDescription(json) : next);
        assertThatThrownBy(() -> Streams.read(Streams.write(messages)))
                .isInstanceOf(ProtocolException.class)
                .hasMessageStartingWith("vm7: byte ")
                .hasMessageEndingWith(", device state: " + message);
    }

    private static void refuses(String hex, String message) {
        assertThatThrownBy(() -> Streams.read(hex(hex)))
                .isInstanceOf(ProtocolException.class)
                .hasMessage("vm7: byte " + message);
    }

    private static byte[] hex(String hex) {
        return HexFormat.of().parseHex(hex.replace(" ", ""));
    }
}
