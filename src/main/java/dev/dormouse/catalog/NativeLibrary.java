package dev.dormouse.catalog;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/// Where SQLite's native library is unpacked, which a process that is killed leaves behind.
public final class NativeLibrary {
    private NativeLibrary() {}

    /// Has it unpacked in a folder that only the owner can enter, and removes what others left there. Before the first
    /// catalog is opened.
    ///
    /// @param folder of nobody else now; made if there is none
    /// @throws IOException if it cannot be used: then the library is unpacked where Java puts temporary files
    public static void unpackIn(Path folder) throws IOException {
        Files.createDirectories(folder);
        try (DirectoryStream<Path> left = Files.newDirectoryStream(folder, "sqlite-*")) {
            for (Path file : left) {
                Files.deleteIfExists(file);
            }
        }
        System.setProperty("org.sqlite.tmpdir", folder.toString());
    }
}
