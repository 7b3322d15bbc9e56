package dev.dormouse.storage;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.testkit.FaultyDisk;
import dev.dormouse.testkit.PowerCut;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The power is cut after each step of the writing of a file: the old content or the new, never neither.
class PowerCutTest {
    private static final int SEEDS = 40;
    private static final String OLD = "old ".repeat(700);
    private static final String NEW = "new ".repeat(900);

    @TempDir
    Path directory;

    private Path file;
    private FaultyDisk disk;

    @BeforeEach
    void writeOld() throws IOException {
        file = directory.resolve("record");
        disk = new FaultyDisk(directory);
        disk.writeAtomically(file, OLD.getBytes(US_ASCII));
        disk.record();
    }

    @Test
    void aFileIsReplacedAsAWhole() throws IOException {
        disk.writeAtomically(file, NEW.getBytes(US_ASCII));

        List<PowerCut> cuts = disk.cuts();
        var found = new HashSet<String>();
        for (PowerCut cut : cuts) {
            for (int seed = 0; seed < SEEDS; seed++) {
                cut.restart(seed);
                assertThat(Files.readString(file)).as("%s, seed %d", cut, seed).isIn(OLD, NEW);
                found.add(Files.readString(file));
            }
        }
        assertThat(found).hasSize(2);
        assertThat(contentsAfter(cuts.getLast())).containsExactly(NEW);
    }

    private Set<String> contentsAfter(PowerCut cut) throws IOException {
        var contents = new HashSet<String>();
        for (int seed = 0; seed < SEEDS; seed++) {
            cut.restart(seed);
            contents.add(Files.exists(file) ? Files.readString(file) : "none");
        }
        return contents;
    }

    /// The double itself: without the forces it shows what can happen.
    @Test
    void whatIsNotForcedMayBeLostOrTorn() throws IOException {
        try (var channel = disk.createNew(directory.resolve("careless"))) {
            channel.write(java.nio.ByteBuffer.wrap(NEW.getBytes(US_ASCII)), 0);
        }
        disk.moveAtomically(directory.resolve("careless"), file);

        assertThat(contentsAfter(disk.cuts().getLast()))
                .contains("", OLD, NEW)
                .anyMatch(content -> !content.isEmpty() && !content.equals(OLD) && !content.equals(NEW));
    }

    @Test
    void whatIsRemovedMayBeThereAgainUntilItsFolderIsForced() throws IOException {
        disk.deleteIfExists(file);
        disk.forceDirectory(directory);

        List<PowerCut> cuts = disk.cuts();
        assertThat(contentsAfter(cuts.get(1))).containsExactlyInAnyOrder(OLD, "none");
        assertThat(contentsAfter(cuts.get(2))).containsExactly("none");
    }

    @Test
    void whatIsMovedHasOneOfItsNames() throws IOException {
        Path aside = directory.resolve("aside");
        disk.moveAtomically(file, aside);

        var found = new HashSet<List<Boolean>>();
        PowerCut cut = disk.cuts().getLast();
        for (int seed = 0; seed < SEEDS; seed++) {
            cut.restart(seed);
            found.add(List.of(Files.exists(file), Files.exists(aside)));
            assertThat(Files.readString(Files.exists(file) ? file : aside)).isEqualTo(OLD);
        }
        assertThat(found).contains(List.of(true, false), List.of(false, true)).doesNotContain(List.of(false, false));
    }
}
