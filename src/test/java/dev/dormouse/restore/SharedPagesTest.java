package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.restore.GuestAreas.MappedFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The file of this test has no name any more, as QEMU's has none, and is reached through a descriptor.
class SharedPagesTest {
    private static final int PAGE = 4096;
    private static final int PAGES = 100;
    private static final long PID = ProcessHandle.current().pid();

    @TempDir
    Path folder;

    private FileChannel file;
    private MappedFile mapped;

    @BeforeEach
    void makeFile() throws IOException {
        Path path = folder.resolve("qemu_back_mem.ram");
        file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        file.write(ByteBuffer.allocate(1), PAGES * PAGE - 1L);
        for (int page : new int[] {0, 7, 8, 50}) {
            file.write(ByteBuffer.allocate(PAGE).put(0, (byte) page), (long) page * PAGE);
        }
        mapped = new MappedFile(path.toRealPath() + " (deleted)", (long) Files.getAttribute(path, "unix:ino"), 0);
        Files.delete(path);
    }

    @AfterEach
    void close() throws IOException {
        file.close();
    }

    private static List<Long> pages(MappedFile of, long pageCount) throws IOException {
        var pages = new ArrayList<Long>();
        SharedPages.visit(PID, of, pageCount, (index, count) -> {
            for (long page = index; page < index + count; page++) {
                pages.add(page);
            }
        });
        return pages;
    }

    @Test
    void seesWhatIsInTheFileAndNoHoles() throws IOException {
        assertThat(pages(mapped, PAGES)).containsExactly(0L, 7L, 8L, 50L, 99L);
    }

    @Test
    void countsFromWhereTheMappingBegins() throws IOException {
        assertThat(pages(new MappedFile(mapped.name(), mapped.inode(), 8L * PAGE), 43))
                .containsExactly(0L, 42L);
    }

    @Test
    void refusesAnotherFileAndOneThatIsTooShort() {
        assertThatThrownBy(() -> pages(new MappedFile(mapped.name(), mapped.inode() + 1, 0), PAGES))
                .hasMessage("process %d: has no descriptor of its memory file".formatted(PID));
        assertThatThrownBy(() -> pages(mapped, PAGES + 1))
                .hasMessage("process %d: its memory file has %d bytes, %d or more are expected"
                        .formatted(PID, PAGES * PAGE, (PAGES + 1) * PAGE));
    }
}
