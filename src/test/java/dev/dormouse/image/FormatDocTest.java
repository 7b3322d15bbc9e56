package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.image.ImageFormat.Field;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The tables and the dump in `docs/image-format.md` say what the code does.
class FormatDocTest {
    private static final Pattern FIELD_ROW =
            Pattern.compile("\\|\\s*(\\d+)\\s*\\|\\s*(\\d+)\\s*\\|\\s*(\\w+)\\s*\\|.*");
    private static final Pattern SECTION_ROW =
            Pattern.compile("\\|\\s*(\\d+)\\s*\\|\\s*(\\d+)\\s*\\|\\s*([A-Z_]+)\\s*\\|.*");
    private static final Pattern CLASS_ROW = Pattern.compile("\\|\\s*(\\d+)\\s*\\|\\s*([A-Z_]+)\\s*\\|.*");
    private static final Pattern LIMIT_ROW = Pattern.compile("\\|\\s*(.+?)\\s*\\|\\s*(\\d+)\\s*\\|");
    private static final Pattern DUMP_LINE = Pattern.compile("([0-9a-f]{8})  ([0-9a-f ]+?)(?:  .*)?");

    static Stream<Arguments> layouts() {
        return Stream.of(
                Arguments.of("Header", ImageFormat.Header.FIELDS, ImageFormat.Header.SIZE_BYTES),
                Arguments.of("Footer", ImageFormat.Footer.FIELDS, ImageFormat.Footer.SIZE_BYTES),
                Arguments.of("Section directory", ImageFormat.SectionEntry.FIELDS, ImageFormat.SectionEntry.SIZE_BYTES),
                Arguments.of("Chunk directory", ImageFormat.ChunkEntry.FIELDS, ImageFormat.ChunkEntry.SIZE_BYTES),
                Arguments.of("Extent table", ImageFormat.ExtentEntry.FIELDS, ImageFormat.ExtentEntry.SIZE_BYTES),
                Arguments.of("Disks", ImageFormat.DiskEntry.FIELDS, ImageFormat.DiskEntry.SIZE_BYTES),
                Arguments.of(
                        "Frame groups", ImageFormat.FrameGroupsHead.FIELDS, ImageFormat.FrameGroupsHead.SIZE_BYTES),
                Arguments.of("A group", ImageFormat.FrameGroupHead.FIELDS, ImageFormat.FrameGroupHead.SIZE_BYTES),
                Arguments.of("Envelope", ImageFormat.EncryptionHead.FIELDS, ImageFormat.EncryptionHead.SIZE_BYTES),
                Arguments.of("Key slot", ImageFormat.KeySlot.FIELDS, ImageFormat.KeySlot.SIZE_BYTES),
                Arguments.of("Page table", ImageFormat.PageEntry.FIELDS, ImageFormat.PageEntry.SIZE_BYTES));
    }

    @ParameterizedTest
    @MethodSource("layouts")
    void theLayoutTablesAreThoseOfTheCode(String heading, List<Field> fields, int sizeBytes) throws IOException {
        List<Field> documented = rows(heading, FIELD_ROW).stream()
                .map(row -> new Field(row.group(3), Integer.parseInt(row.group(1)), Integer.parseInt(row.group(2))))
                .toList();

        assertThat(documented).isEqualTo(fields);
        int end = 0;
        for (Field field : fields) {
            assertThat(field.offset()).as(field.name()).isEqualTo(end);
            end = field.end();
        }
        assertThat(end).isEqualTo(sizeBytes);
    }

    @Test
    void theSectionTypesAreThoseOfTheCode() throws IOException {
        List<String> documented = rows("Section types", SECTION_ROW).stream()
                .map(row -> row.group(1) + " " + row.group(2) + " " + row.group(3))
                .toList();

        assertThat(documented)
                .containsExactlyElementsOf(Arrays.stream(SectionType.values())
                        .map(type -> type.code() + " " + type.flags() + " " + type)
                        .toList());
    }

    @Test
    void thePageClassesAreThoseOfTheCode() throws IOException {
        List<String> documented = rows("Page classes", CLASS_ROW).stream()
                .map(row -> row.group(1) + " " + row.group(2))
                .toList();

        assertThat(documented)
                .containsExactlyElementsOf(Arrays.stream(PageClass.values())
                        .map(pageClass -> pageClass.code() + " " + pageClass)
                        .toList());
    }

    @Test
    void theLimitsAreThoseOfTheCode() throws IOException {
        List<Long> documented = rows("Limits", LIMIT_ROW).stream()
                .map(row -> Long.parseLong(row.group(2)))
                .toList();

        assertThat(documented)
                .containsExactly(
                        ImageFormat.FRAMES_MAX,
                        (long) ImageFormat.RAM_BLOCKS_MAX,
                        (long) ImageFormat.EXTENT_PAGES_MAX,
                        (long) ImageFormat.EXTENTS_MAX,
                        (long) ImageFormat.SECTIONS_MAX,
                        (long) ImageFormat.METADATA_BYTES_MAX,
                        (long) ImageFormat.CONFIGURATION_BYTES_MAX,
                        (long) ImageFormat.DEVICE_STATE_BYTES_MAX,
                        (long) ImageFormat.CHUNK_COMPRESSED_BYTES_MAX,
                        (long) ImageFormat.DISKS_MAX,
                        ImageFormat.DISK_BLOCKS_MAX,
                        (long) ImageFormat.IGNORABLE_BYTES_MAX,
                        (long) ImageFormat.FRAME_GROUPS_BYTES_MAX,
                        (long) ImageFormat.FRAME_GROUPS_MAX,
                        (long) ImageFormat.KeySlot.COUNT_MAX);
    }

    @Test
    void theDumpIsTheTinyGoldenImage() throws IOException {
        byte[] tiny;
        try (InputStream in = Objects.requireNonNull(
                FormatDocTest.class.getResourceAsStream("/golden/image/v1/" + GoldenImage.TINY))) {
            tiny = in.readAllBytes();
        }
        int at = 0;
        for (Matcher line : rows("Worked example", DUMP_LINE)) {
            byte[] bytes = HexFormat.of().parseHex(line.group(2).replace(" ", ""));
            assertThat(Integer.parseInt(line.group(1), 16)).isEqualTo(at);
            assertThat(Arrays.copyOfRange(tiny, at, at + bytes.length))
                    .as("line %s", line.group())
                    .isEqualTo(bytes);
            at += bytes.length;
        }
        assertThat(at).isEqualTo(tiny.length);
    }

    /// The lines below a heading, up to the next one, that have the form.
    private static List<Matcher> rows(String heading, Pattern form) throws IOException {
        List<Matcher> rows = new ArrayList<>();
        boolean within = false;
        for (String line : Files.readAllLines(Path.of("docs/image-format.md"))) {
            if (line.startsWith("#")) {
                within = line.replaceFirst("#+ ", "").equals(heading);
            }
            Matcher matcher = form.matcher(line);
            if (within && matcher.matches()) {
                rows.add(matcher);
            }
        }
        assertThat(rows).as("rows below %s", heading).isNotEmpty();
        return rows;
    }
}
