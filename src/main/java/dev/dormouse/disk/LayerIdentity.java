package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What tells a frozen layer from any other file and from a later state of itself: taken when the layer
/// has been synced and nobody writes it, compared before anything is restored on top of it.
///
/// @param sizeBytes length of the file
/// @param modifiedNanos, changedNanos mtime and ctime since 1970; any write moves both
/// @param dataFile the file in which the guest's data lies if it is not the layer's own; null where it is,
///     and in images that were made before this was kept
@Json
public record LayerIdentity(
        Layer layer,
        long sizeBytes,
        long device,
        long inode,
        long modifiedNanos,
        long changedNanos,
        @Nullable DataFile dataFile) {

    /// An external data file of a qcow2 layer, as it was at that moment.
    @Json
    public record DataFile(String path, long sizeBytes, long inode, long modifiedNanos) {
        private static DataFile of(Path file) throws IOException {
            Map<String, Object> attributes = attributes(file, "disk layer's data file");
            return new DataFile(
                    file.toString(),
                    (Long) attributes.get("size"),
                    (Long) attributes.get("ino"),
                    nanos(attributes.get("lastModifiedTime")));
        }
    }

    /// Reads the identity that the file has now.
    ///
    /// @throws DiskException if the file is missing
    public static LayerIdentity of(Layer layer) throws IOException {
        Map<String, Object> attributes = attributes(Path.of(layer.path()), "disk layer");
        Optional<Path> data = LayerFile.dataFile(layer);
        return new LayerIdentity(
                layer,
                (Long) attributes.get("size"),
                (Long) attributes.get("dev"),
                (Long) attributes.get("ino"),
                nanos(attributes.get("lastModifiedTime")),
                nanos(attributes.get("ctime")),
                data.isPresent() ? DataFile.of(data.get()) : null);
    }

    private static Map<String, Object> attributes(Path file, String what) throws IOException {
        try {
            return Files.readAttributes(file, "unix:size,dev,ino,lastModifiedTime,ctime");
        } catch (NoSuchFileException e) {
            throw new DiskException(file + ": " + what + " is missing, put it back where it was", e);
        }
    }

    /// Fails unless the file is the one, in the state, of which this identity was taken.
    ///
    /// Device and change time are kept but not asked for: a reboot may number the device anew, and a file
    /// that was moved away and back, as the error tells people to, has another change time. Whoever writes
    /// moves the modification time, unless he hides it with intent.
    public void check() throws IOException {
        LayerIdentity now = of(layer);
        checkData(now.dataFile);
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

    private void checkData(@Nullable DataFile now) throws DiskException {
        if (dataFile == null || dataFile.equals(now)) {
            return; // Also of an image that does not say.
        }
        if (now == null) {
            throw changed("its data was in " + dataFile.path + " and is in the layer itself");
        }
        throw changed("its data file was %s of %d bytes with inode %d, modified at %s, and is %s of %d, %d, %s"
                .formatted(
                        dataFile.path,
                        dataFile.sizeBytes,
                        dataFile.inode,
                        time(dataFile.modifiedNanos),
                        now.path,
                        now.sizeBytes,
                        now.inode,
                        time(now.modifiedNanos)));
    }

    /// {@return the files that hold the layer: its own, and that of its data if there is one}
    public List<Path> files() {
        Path own = Path.of(layer.path());
        return dataFile == null ? List.of(own) : List.of(own, Path.of(dataFile.path));
    }

    /// {@return whether a file that fails [#check] may still say what the frozen one said: its length is the
    /// same, and a digest by blocks of 4 KiB covers all of it}
    public boolean mayHaveSameContent() throws IOException {
        if (layer.format() != Layer.Format.RAW) {
            return true; // Its length says nothing of the disk: the blocks that it shows are compared.
        }
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
