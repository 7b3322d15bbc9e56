package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Areas as the kernel lists them for an incoming QEMU after LISTEN, shortened to the lines that count.
class GuestAreasTest {
    private static final RamBlock RAM = new RamBlock("pc.ram", 0x1000_0000);
    private static final RamBlock VGA = new RamBlock("vga.vram", 0x100_0000);
    private static final RamBlock ROM = new RamBlock("pc.rom", 0x2_0000);
    private static final RamBlock ACPI = new RamBlock("/rom@etc/acpi/tables", 0x2_0000);

    private static final List<String> OTHERS = Stream.concat(
                    area("55d0c8a00000-55d0c9a00000", "rd ex mr mw me sd").stream(),
                    area("7fffe0c15000-7fffe0c36000", "rd wr mr mw me gd ac").stream())
            .toList();

    private static List<String> area(String range, String flags) {
        return List.of(
                range + " rw-p 00000000 00:00 0 ",
                "Size:             262144 kB",
                "Private_Dirty:         0 kB",
                "THPeligible:           1",
                "VmFlags: " + flags + " ");
    }

    private static List<String> registered(String... ranges) {
        Stream<String> areas = Stream.of(ranges).flatMap(range -> area(range, "rd wr mr mw me dc ac um hg").stream());
        return Stream.concat(OTHERS.stream(), areas).toList();
    }

    @Test
    void guessesOnlyWhatOneBlockAndOneAreaCanBe() {
        var other = new RamBlock("ram-node1", 0x2000_0000);
        List<String> smaps = Stream.of(
                        area("7f0000000000-7f0010000000", "rd wr mr mw me dc ac hg mg"), // RAM
                        area("7f1000000000-7f1001000000", "rd wr mr mw me dc ac um hg"), // As long as VGA
                        area("7f2000000000-7f2000020000", "rd wr mr mw me dc ac hg"), // ROM or ACPI
                        area("7f3000000000-7f3020000000", "rd wr mr mw me dc ac hg"), // other
                        area("7f4000000000-7f4020000000", "rd wr mr mw me dc ac hg"), // As long
                        area("7f5000000000-7f5001000000", "rd wr sh mr mw me dc ac hg"),
                        area("7f6000000000-7f6001000000", "rd wr mr mw me ac hg"),
                        area("7f7000000000-7f7001000000", "rd wr mr mw me dc ac"))
                .flatMap(List::stream)
                .toList();

        GuestAreas likely = GuestAreas.likely(smaps, List.of(RAM, VGA, ROM, ACPI, other));

        assertThat(likely.area(RAM)).contains(new GuestAreas.Area(0x7f00_0000_0000L, null));
        assertThat(List.of(VGA, ROM, ACPI, other))
                .allMatch(block -> likely.area(block).isEmpty());
    }

    @Test
    void findsOnlyAreasThatAreRegistered() {
        assertThat(GuestAreas.registered(registered("7f0000000000-7f0010000000")))
                .containsExactly(
                        java.util.Map.entry(0x1000_0000L, List.of(new GuestAreas.Area(0x7f00_0000_0000L, null))));
    }

    @Test
    void namesTheFileOfMemoryThatIsShared() {
        var smaps = List.of(
                "7f0000000000-7f0010000000 rw-s 00001000 00:19 77         /dev/shm/a b/qemu_back_mem.ram.x1 (deleted)",
                "VmFlags: rd wr sh mr mw me ms um ");

        assertThat(GuestAreas.registered(smaps))
                .containsExactly(java.util.Map.entry(
                        0x1000_0000L,
                        List.of(new GuestAreas.Area(
                                0x7f00_0000_0000L,
                                new GuestAreas.MappedFile(
                                        "/dev/shm/a b/qemu_back_mem.ram.x1 (deleted)", 77, 0x1000)))));
    }

    @Test
    void givesNoAddressToBlocksOfEqualLength() {
        GuestAreas areas = GuestAreas.match(
                        registered(
                                "7f0000000000-7f0010000000",
                                "7f1000000000-7f1001000000",
                                "7f2000000000-7f2000020000",
                                "7f3000000000-7f3000020000"),
                        List.of(RAM, VGA, ROM, ACPI))
                .orElseThrow();

        assertThat(areas.area(RAM).map(GuestAreas.Area::address)).contains(0x7f00_0000_0000L);
        assertThat(areas.area(VGA).map(GuestAreas.Area::address)).contains(0x7f10_0000_0000L);
        assertThat(areas.area(ROM)).isEmpty();
        assertThat(areas.area(ACPI)).isEmpty();
    }

    @Test
    void findsNothingWhileAnAreaIsMissing() {
        List<String> smaps = registered("7f0000000000-7f0010000000", "7f2000000000-7f2000020000");

        assertThat(GuestAreas.match(smaps, List.of(RAM, ROM, ACPI))).isEmpty();
    }

    @Test
    void findsNothingWhereAnAreaBelongsToNoBlock() {
        List<String> smaps = registered("7f0000000000-7f0010000000", "7f1000000000-7f1001000000");

        assertThat(GuestAreas.match(smaps, List.of(RAM))).isEmpty();
    }
}
