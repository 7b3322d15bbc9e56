package dev.dormouse.image;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageFormat.SectionEntry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What a reader does with sections of other builds, and with hints whose checksum is right but whose
/// content is not: it goes on without what it may ignore, refuses the rest, and never crashes.
class SectionRulesTest {
    private static final Path FILE = Path.of("vm.img");
    private static final int WORKING_SET = SectionType.WORKING_SET.code();
    private static final int HEAT_ORDER = SectionType.HEAT_ORDER.code();

    private PatchedImage image;

    @BeforeEach
    void readGoldenImage(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("small.img");
        GoldenImage.writeSmall(file);
        image = new PatchedImage(Files.readAllBytes(file));
    }

    private ImageReader open() throws IOException {
        return ImageReader.open(new BytesAsFile(image.bytes()), FILE);
    }

    @Test
    void putsAnImageTogetherAgain() throws IOException {
        try (var reader = open()) {
            assertThat(reader.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
            assertThat(reader.workingSet()).contains(GoldenImage.WORKING_SET);
        }
    }

    @Test
    void goesOnWithoutAnUnknownSectionThatMayBeIgnored() throws IOException {
        image.with(77, SectionEntry.FLAG_MAY_BE_IGNORED, new byte[1000]);
        try (var reader = open()) {
            assertThat(reader.metadata()).isEqualTo(GoldenImage.METADATA);
            assertThat(ImageInspection.of(reader).unknownSections()).isEqualTo(1);
            assertThat(reader.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
        }
    }

    @Test
    void findsDamageInASectionThatItDoesNotKnow() throws IOException {
        byte[] bytes = image.with(
                        77, SectionEntry.FLAG_MAY_BE_IGNORED, HexFormat.of().parseHex("c0ffeec0ffee"))
                .bytes();
        var content = new String(new byte[] {(byte) 0xc0, (byte) 0xff, (byte) 0xee, (byte) 0xc0}, ISO_8859_1);
        int at = new String(bytes, ISO_8859_1).indexOf(content);
        bytes[at] ^= 1;
        try (var reader = ImageReader.open(new BytesAsFile(bytes), FILE)) {
            assertThat(reader.verify(VerifyReport.Progress.NONE).damages())
                    .singleElement()
                    .asString()
                    .startsWith("vm.img: damaged at byte " + at + ": section of type 77 has checksum 0x");
        }
    }

    @ParameterizedTest(name = "type {0}, flags {1}")
    @CsvSource({"77, 0", "77, 1", "77, 3", "77, 4", "77, 6", "10, 0", "11, 3", "1, 2", "9, 1", "0, 0"})
    void refusesAnotherTypeOrFlag(int type, int flags) {
        image.with(type, flags, new byte[8]);

        assertThatThrownBy(this::open)
                .isInstanceOf(UnsupportedImageException.class)
                .hasMessage(
                        "vm.img: image uses section type %d with flags 0x%x, which this build does not know; use a newer one",
                        type, flags);
    }

    @Test
    void refusesASectionThatStandsTwice() {
        image.withAnother(77, SectionEntry.FLAG_MAY_BE_IGNORED).withAnother(77, SectionEntry.FLAG_MAY_BE_IGNORED);

        assertThatThrownBy(this::open)
                .isInstanceOf(CorruptImageException.class)
                .hasMessageEndingWith("section of type 77 stands twice in the directory");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9})
    void needsEverySectionThatMayNotBeIgnored(int type) {
        image.without(type);

        assertThatThrownBy(this::open).isInstanceOf(CorruptImageException.class);
    }

    @Test
    void worksWithoutHints() throws IOException {
        image.without(WORKING_SET).without(HEAT_ORDER);
        try (var reader = open()) {
            assertThat(reader.workingSet()).isEmpty();
            assertThat(reader.heatOrder()).isEmpty();
            assertThat(reader.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
        }
    }

    @Test
    void goesOnWithoutAHintOfALaterRevision() throws IOException {
        image.with(
                WORKING_SET, SectionEntry.FLAG_MAY_BE_IGNORED, HexFormat.of().parseHex("0200ffff" + "ffffffffffffff"));
        try (var reader = open()) {
            assertThat(reader.workingSet()).isEmpty();
            assertThat(reader.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
        }
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource({
        "'',                                      ends in the middle",
        "00000000 01000000,                       'has revision 0, 1 is the first'",
        "01000100 01000000,                       'has reserved bytes 0x1, not zero'",
        "01000000 00000000,                       'has 0 groups, 1 to 4096 are allowed'",
        "01000000 01100000,                       'has 4097 groups, 1 to 4096 are allowed'",
        "01000000 ffffffff,                       'has -1 groups, 1 to 4096 are allowed'",
        "01000000 02000000,                       ends in the middle",
        "01000000 01000000 00000000 00000000 0000, 'has 0 ranges in a group, 1 to 1 fit'",
        "01000000 01000000 00000000 ffffffff 0000, 'has -1 ranges in a group, 1 to 1 fit'",
        "01000000 01000000 00000000 02000000 0000, 'has 2 ranges in a group, 1 to 1 fit'",
        "01000000 01000000 00000000 02000000 00000000, 'has two ranges that touch, at frame 1'",
        "01000000 01000000 00000000 01000000 8a2700, 'names frame 5002 of 5002'",
        "01000000 01000000 00000000 01000000 00ffffffff7f, 'names frame 34359738367 of 5002'",
        "01000000 01000000 00000000 01000000 ffffffffff00, has an endless number",
        "01000000 01000000 00000000 01000000 800000, has a number that is longer than it need be",
        "01000000 01000000 00000000 01000000 000000, has bytes behind its last group",
        "01000000 02000000 00000000 01000000 0000 00000000 01000000 0100, goes back to 0 ms",
        "01000000 02000000 00000000 01000000 0008 01000000 01000000 0800, names frame 8 twice"
    })
    void saysWhatIsWrongWithAWorkingSet(String hex, String problem) throws IOException {
        byte[] bytes = HexFormat.of().parseHex(hex.replace(" ", ""));
        image.with(WORKING_SET, SectionEntry.FLAG_MAY_BE_IGNORED, bytes);
        try (var reader = open()) {
            assertThatThrownBy(reader::workingSet)
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageMatching("vm\\.img: damaged at byte \\d+: section WORKING_SET \\Q" + problem + "\\E");
            assertThat(reader.verify(VerifyReport.Progress.NONE).damageCount()).isEqualTo(1);
            assertThat(ImageInspection.of(reader).hints().damage()).endsWith(problem);
        }
    }

    @ParameterizedTest(name = "{1}")
    @CsvSource({
        "01000000 02000000 00000000 01000000 0000 01000000 01000000 0100, 'has 2 groups, 1 to 1 are allowed'",
        "01000000 01000000 05000000 01000000 0000, 'has a time, 5 ms, where none is'"
    })
    void saysWhatIsWrongWithAHeatOrder(String hex, String problem) throws IOException {
        byte[] bytes = HexFormat.of().parseHex(hex.replace(" ", ""));
        image.with(HEAT_ORDER, SectionEntry.FLAG_MAY_BE_IGNORED, bytes);
        try (var reader = open()) {
            assertThatThrownBy(reader::heatOrder)
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageEndingWith("section HEAT_ORDER " + problem);
        }
    }

    @Test
    void refusesAPageBeyondItsDisk() throws IOException {
        image.with(SectionType.DISKS.code(), 0, HexFormat.of().parseHex("000000000000000040e2010000000000"));
        try (var reader = open()) {
            assertThatThrownBy(() -> reader.diskBlock(4100))
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageContaining("page table entry of frame 4100 is 0x1e2400104");
        }
    }

    @Test
    void refusesADiskThatIsTooLarge() {
        image.with(SectionType.DISKS.code(), 0, HexFormat.of().parseHex("ffffffffffffffff"));

        assertThatThrownBy(this::open)
                .isInstanceOf(CorruptImageException.class)
                .hasMessageEndingWith("disk 0 has 18446744073709551615 blocks, at most 2^48 are allowed");
    }
}
