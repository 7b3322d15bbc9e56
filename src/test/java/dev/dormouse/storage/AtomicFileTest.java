package dev.dormouse.storage;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
    @TempDir
    Path directory;

    @Test
    void replacesTheContentOfAFile() throws IOException {
        Path file = Files.writeString(directory.resolve("record"), "old");

        Storage.fileSystem().writeAtomically(file, "new".getBytes(US_ASCII));

        assertThat(file).hasContent("new");
        assertThat(names()).containsExactly("record");
    }

    @Test
    void leavesTheTargetUntilItIsPublished() throws IOException {
        Path file = Files.writeString(directory.resolve("record"), "old");
        try (var aside = AtomicFile.create(Storage.fileSystem(), file)) {
            aside.writeFully(ByteBuffer.wrap("new".getBytes(US_ASCII)), 0);

            assertThat(file).hasContent("old");
            assertThat(AtomicFile.isTemporary(aside.temporary())).isTrue();
            assertThat(aside.temporary()).hasParent(directory);
        }
        assertThat(file).hasContent("old");
        assertThat(names()).containsExactly("record");
    }

    @Test
    void isForItsOwnerOnly() throws IOException {
        Path file = directory.resolve("record");

        Storage.fileSystem().writeAtomically(file, new byte[1]);

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void namesTheFileThatCannotBeCreated() {
        Path file = directory.resolve("missing/record");

        assertThatThrownBy(() -> Storage.fileSystem().writeAtomically(file, new byte[1]))
                .isInstanceOf(StorageException.class)
                .hasMessage(file + ": cannot be created: NoSuchFileException");
    }

    @Test
    void saysThatTheDiskIsFull() {
        Path file = directory.resolve("record");

        assertThatThrownBy(() -> new FullDisk().writeAtomically(file, new byte[1]))
                .isInstanceOf(StorageException.class)
                .hasMessage(file + ": cannot be written at byte 0: No space left on device");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void readsByPositionUntilTheEnd() throws IOException {
        Path file = Files.writeString(directory.resolve("record"), "0123456789");
        try (ReadableFile readable = Storage.fileSystem().openForReading(file)) {
            ByteBuffer heap = ByteBuffer.allocate(4);
            readable.readFully(heap, 3);
            assertThat(new String(heap.array(), US_ASCII)).isEqualTo("3456");
            assertThat(readable.lengthBytes()).isEqualTo(10);
            assertThatThrownBy(() -> readable.readFully(ByteBuffer.allocateDirect(4), 7))
                    .isInstanceOf(java.io.EOFException.class)
                    .hasMessage(file + ": ends at or before byte 10");
        }
    }

    @Test
    void anInterruptDoesNotCloseAFileThatIsRead() throws IOException {
        Path file = Files.writeString(directory.resolve("record"), "0123456789");
        try (ReadableFile readable = Storage.fileSystem().openForReading(file)) {
            Thread.currentThread().interrupt();
            readable.readFully(ByteBuffer.allocateDirect(4), 0);
            assertThat(Thread.interrupted()).isTrue();
            readable.readFully(ByteBuffer.allocateDirect(4), 0);
        }
    }

    @Test
    void namesTheFileThatCannotBeOpened() {
        Path file = directory.resolve("missing");

        assertThatThrownBy(() -> Storage.fileSystem().openForReading(file))
                .isInstanceOf(StorageException.class)
                .hasMessage(file + ": cannot be opened: No such file or directory");
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> String.valueOf(file.getFileName())).toList();
        }
    }
}
