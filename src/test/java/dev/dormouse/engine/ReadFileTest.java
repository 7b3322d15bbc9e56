package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReadFileTest {
    private static final Duration LATER = Duration.ofSeconds(10);

    @TempDir
    Path folder;

    private Path file;
    private int reads;

    @BeforeEach
    void setUp() throws IOException {
        file = folder.resolve("state.json");
        write("one");
    }

    private void write(String text) throws IOException {
        Path aside = Files.writeString(folder.resolve("aside"), text);
        Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private String read() throws IOException {
        reads++;
        return Files.readString(file);
    }

    /// By its clock all that happens in the test is long ago.
    private ReadFile<String> later() {
        return new ReadFile<>(file, this::read, InstantSource.offset(InstantSource.system(), LATER));
    }

    @Test
    void readsOnceWhatDoesNotChange() throws IOException {
        ReadFile<String> known = later();

        assertThat(known.get()).isEqualTo("one");
        assertThat(known.get()).isEqualTo("one");
        assertThat(reads).isEqualTo(1);
    }

    @Test
    void seesEachReplacementAtOnce() throws IOException {
        ReadFile<String> known = later();
        for (int i = 0; i < 50; i++) {
            String text = "%03d".formatted(i);
            write(text);
            assertThat(known.get()).isEqualTo(text);
            assertThat(known.get()).isEqualTo(text);
        }
        assertThat(reads).isEqualTo(50);
    }

    @Test
    void seesAFileThatIsWrittenInPlaceAndGivenItsOldTime() throws IOException {
        ReadFile<String> known = later();
        FileTime time = Files.getLastModifiedTime(file);
        assertThat(known.get()).isEqualTo("one");
        awaitTick(file);

        Files.writeString(file, "two");
        Files.setLastModifiedTime(file, time);

        assertThat(known.get()).isEqualTo("two");
    }

    @Test
    void remembersNothingThatWasWrittenJustNow() throws IOException {
        var known = new ReadFile<>(file, this::read, Instant::now);

        assertThat(known.get()).isEqualTo("one");
        assertThat(known.get()).isEqualTo("one");
        assertThat(reads).isEqualTo(2);
    }

    @Test
    void whatIsReplacedWhileItIsReadIsReadAgain() throws IOException {
        var known = new ReadFile<>(
                file,
                () -> {
                    String text = read();
                    if (reads == 1) {
                        write("two");
                    }
                    return text;
                },
                InstantSource.offset(InstantSource.system(), LATER));

        assertThat(known.get()).isEqualTo("one");
        assertThat(known.get()).isEqualTo("two");
    }

    @Test
    void aFileThatIsGoneIsGone() throws IOException {
        ReadFile<String> known = later();
        assertThat(known.get()).isEqualTo("one");

        Files.delete(file);

        assertThatThrownBy(known::get).isInstanceOf(NoSuchFileException.class);
    }

    /// The clock by which the file system goes has ticks; a stamp that is settled is older than one.
    private void awaitTick(Path written) throws IOException {
        FileTime changed = (FileTime) Files.getAttribute(written, "unix:ctime");
        Path probe = folder.resolve("probe");
        do {
            Files.writeString(probe, "");
        } while (Files.getAttribute(probe, "unix:ctime").equals(changed));
    }
}
