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
        Path library = folder.resolve(".sqlite");
        try {
            NativeLibrary.unpackIn(library);
            Path left = Files.createFile(library.resolve("sqlite-3.54-1-libsqlitejdbc.so.lck"));
            NativeLibrary.unpackIn(library);

            assertThat(System.getProperty(FOLDER)).isEqualTo(library.toString());
            assertThat(left).doesNotExist();
        } finally {
            if (before == null) {
                System.clearProperty(FOLDER);
            } else {
                System.setProperty(FOLDER, before);
            }
        }
    }
}
