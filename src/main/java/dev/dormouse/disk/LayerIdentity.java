package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// What tells a frozen layer from any other file and from a later state of itself: taken when the layer
/// has been synced and nobody writes it, compared before anything is restored on top of it.
///
/// @param sizeBytes length of the file
/// @param modifiedNanos, changedNanos mtime and ctime since 1970; any write moves both
@Json
public record LayerIdentity(
        Layer layer, long sizeBytes, long device, long inode, long modifiedNanos, long changedNanos) {

    /// Reads the identity that the file has now.
    ///
    /// @throws DiskException if the file is missing
    public static LayerIdentity of(Layer layer) throws IOException {
        Map<String, Object> attributes;
        try {
            attributes = Files.readAttributes(Path.of(layer.path()), "unix:size,dev,ino,lastModifiedTime,ctime");
        } catch (NoSuchFileException e) {
            throw new DiskException(layer.path() + ": disk layer is missing, put it back where it was", e);
        }
        return new LayerIdentity(
                layer,
                (Long) attributes.get("size"),
                (Long) attributes.get("dev"),
                (Long) attributes.get("ino"),
                nanos(attributes.get("lastModifiedTime")),
                nanos(attributes.get("ctime")));
    }

    /// Fails unless the file is the one, in the state, of which this identity was taken.
    ///
    /// Device and change time are kept but not asked for: a reboot may number the device anew, and a file
    /// that was moved away and back, as the error tells people to, has another change time. Whoever writes
    /// moves the modification time, unless he hides it with intent.
    public void check() throws IOException {
        LayerIdentity now = of(layer);
        if (sizeBytes != now.sizeBytes) {
            throw changed("its size was %d bytes and is %d".formatted(sizeBytes, now.sizeBytes));
        }
        if (inode != now.inode) {
            throw changed("its inode was %d and is %d, it is another file".formatted(inode, now.inode));
        }
        if (modifiedNanos != now.modifiedNanos) {
            throw changed(
                    "it was modified last at %s and now at %s".formatted(time(modifiedNanos), time(now.modifiedNanos)));
        }
    }

    /// {@return whether a file that fails [#check] may still say what the frozen one said: its length is the
    /// same, and a digest by blocks of 4 KiB covers all of it}
    public boolean mayHaveSameContent() throws IOException {
        return of(layer).sizeBytes == sizeBytes && sizeBytes % DiskView.BLOCK_BYTES == 0;
    }

    private DiskException changed(String how) {
        return new DiskException(
                "%s: disk layer changed since the checkpoint, %s; move the file that it was back to its place"
                        .formatted(layer.path(), how));
    }

    /// {@return for example `2026-01-31T12:00:00.123456789Z`}
    private static Instant time(long nanos) {
        return Instant.ofEpochSecond(0, nanos);
    }

    private static long nanos(Object time) {
        return ((FileTime) time).to(TimeUnit.NANOSECONDS);
    }
}
