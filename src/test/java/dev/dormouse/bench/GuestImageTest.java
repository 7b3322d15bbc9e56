package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GuestImageTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void build() throws IOException {
        for (String name : new String[] {"vmlinuz", "initrd.gz", "disk.raw"}) {
            Files.writeString(directory.resolve(name), "12345");
        }
        Files.writeString(directory.resolve("manifest.json"), """
                {"append": "quiet", "vmlinuz": {"bytes": 5}, "initrd.gz": {"bytes": 5}, "disk.raw": {"bytes": 5}}
                """);
    }

    @Test
    void knowsItsFilesAndItsCommandLine() throws IOException {
        GuestImage image = GuestImage.open(directory);

        assertThat(image.append()).isEqualTo("quiet");
        assertThat(image.disk()).isEqualTo(directory.resolve("disk.raw"));
    }

    @Test
    void refusesADirectoryWithoutAManifest() throws IOException {
        Files.delete(directory.resolve("manifest.json"));

        assertThatThrownBy(() -> GuestImage.open(directory))
                .hasMessage(directory + ": no guest, manifest.json is missing or too large; run guest/build.sh");
    }

    @Test
    void refusesAFileOfAnotherLength() throws IOException {
        Files.writeString(directory.resolve("disk.raw"), "123");

        assertThatThrownBy(() -> GuestImage.open(directory))
                .hasMessage(
                        directory.resolve("disk.raw") + ": 3 bytes found, 5 built; remove its directory to build anew");
    }

    @Test
    void refusesAManifestThatIsNoJson() throws IOException {
        Files.writeString(directory.resolve("manifest.json"), "hello");

        assertThatThrownBy(() -> GuestImage.open(directory))
                .isInstanceOf(ProbeException.class)
                .hasMessage(directory.resolve("manifest.json")
                        + ": not a guest's manifest; remove its directory to build anew");
    }
}
