package dev.dormouse.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeLibraryTest {
    private static final String FOLDER = "org.sqlite.tmpdir";

    @TempDir
    Path folder;

    @Test
    void isUnpackedInTheFolderFromWhichWhatAKilledProcessLeftIsRemoved() throws Exception {
        String before = System.getProperty(FOLDER);
        Path left = Files.createFile(folder.resolve("sqlite-3.54-1-libsqlitejdbc.so.lck"));
        Path other = Files.createFile(folder.resolve("web"));
        try {
            NativeLibrary.unpackIn(folder);

            assertThat(System.getProperty(FOLDER)).isEqualTo(folder.toString());
            assertThat(left).doesNotExist();
            assertThat(other).exists();
        } finally {
            if (before == null) {
                System.clearProperty(FOLDER);
            } else {
                System.setProperty(FOLDER, before);
            }
        }
    }
}
