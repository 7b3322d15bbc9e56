package dev.dormouse.daemon;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// By what a file can be seen to have changed. Files that are replaced are told apart by their inodes, too, because two
/// changes in one tick of the clock have the same time.
record FileStamp(Object modified, Object changed, Object inode, Object size) {
    /// {@return that of a file; empty if there is none}
    static Optional<FileStamp> of(Path file) {
        try {
            Map<String, Object> facts =
                    Files.readAttributes(file, "unix:lastModifiedTime,ctime,ino,size", LinkOption.NOFOLLOW_LINKS);
            return Optional.of(new FileStamp(
                    facts.get("lastModifiedTime"), facts.get("ctime"), facts.get("ino"), facts.get("size")));
        } catch (IOException _) {
            return Optional.empty();
        }
    }
}
