package dev.dormouse.storage;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/// By what a file can be seen to have changed. Files that are replaced are told apart by their inodes, too, because two
/// changes in one tick of the clock have the same time.
///
/// @param changed when anything of it was changed last, its name included; nobody can set that
public record FileStamp(FileTime modified, FileTime changed, long inode, long size) {
    /// Longer than a tick of the clock by which file systems go.
    private static final Duration TICK = Duration.ofSeconds(1);

    /// {@return that of a file; empty if there is none}
    public static Optional<FileStamp> of(Path file) {
        try {
            Map<String, Object> facts =
                    Files.readAttributes(file, "unix:lastModifiedTime,ctime,ino,size", LinkOption.NOFOLLOW_LINKS);
            return Optional.of(new FileStamp(
                    (FileTime) facts.get("lastModifiedTime"),
                    (FileTime) facts.get("ctime"),
                    (long) facts.get("ino"),
                    (long) facts.get("size")));
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /// {@return whether any later change gives another stamp; of one that was changed just now, another change in the
    /// same tick need not: an inode that has become free is used again}
    public boolean isSettled(Instant now) {
        return changed.toInstant().plus(TICK).isBefore(now);
    }
}
