package dev.dormouse.disk;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// What we ask of `qemu-img`, the tool that belongs to the QEMU in use. Each call starts a program and
/// blocks until it ends.
public final class QemuImg {
    private static final Duration SHORT = Duration.ofSeconds(30);
    private static final Duration LONG = Duration.ofHours(6);
    private final Path binary;

    /// @param binary the `qemu-img` to run
    public QemuImg(Path binary) {
        this.binary = binary;
    }

    /// {@return the backing chain of a disk file, paths absolute}
    public BackingChain backingChain(Path top) throws IOException {
        var chain = new ArrayList<Layer>();
        for (Map<String, Object> layer : info(top)) {
            String name = (String) layer.get("filename");
            if (name == null || name.startsWith("json:") || !Files.exists(Path.of(name))) {
                throw new DiskException(
                        "%s: a layer of its backing chain is %s, only local files are allowed".formatted(top, name));
            }
            Path file = Path.of(name).toRealPath();
            chain.add(new Layer(file.toString(), formatOf(layer)));
            refuseUnlessReadable(file, layer);
        }
        return new BackingChain(chain.reversed());
    }

    /// What needs a key, and what lies in several files: of those only the first would be known by its identity and
    /// locked.
    private static void refuseUnlessReadable(Path file, Map<String, Object> info) throws IOException {
        if (Boolean.TRUE.equals(info.get("encrypted"))) {
            throw new DiskException(file + ": is encrypted, give a disk that can be read without a key");
        }
        for (String extent : extents(info)) {
            Path path = Path.of(extent);
            if (!Files.exists(path) || !Files.isSameFile(path, file)) {
                throw new DiskException(
                        "%s: its data is in %s, a disk of one file is allowed: make one with 'qemu-img convert -O qcow2'"
                                .formatted(file, extent));
            }
        }
    }

    /// {@return the files that a vmdk names}
    private static List<String> extents(Map<String, Object> info) {
        if (info.get("format-specific") instanceof Map<?, ?> specific
                && specific.get("data") instanceof Map<?, ?> data
                && data.get("extents") instanceof List<?> extents) {
            return extents.stream()
                    .map(extent -> String.valueOf(((Map<?, ?>) extent).get("filename")))
                    .toList();
        }
        return List.of();
    }

    /// {@return the size of the disk that the guest sees, in bytes}
    public long virtualSizeBytes(Path top) throws IOException {
        return ((Number) info(top).getFirst().get("virtual-size")).longValue();
    }

    /// Creates an empty qcow2 overlay. The backing file is not opened, so it may be in use.
    public void createOverlay(Path overlay, Layer backing, long virtualSizeBytes) throws IOException {
        Command.run(
                List.of(
                        binary.toString(),
                        "create",
                        "-q",
                        "-u",
                        "-f",
                        "qcow2",
                        "-b",
                        backing.path(),
                        "-F",
                        backing.format().qemuName(),
                        overlay.toString(),
                        Long.toString(virtualSizeBytes)),
                SHORT);
    }

    /// {@return whether anything was ever written to the overlay; the layers below it are not looked at}
    public boolean hasAllocatedClusters(Path overlay) throws IOException {
        var alone = new LinkedHashMap<String, Object>();
        alone.put("driver", "qcow2");
        alone.put("backing", null);
        alone.put("file", Map.of("driver", "file", "filename", overlay.toString()));
        String map = Command.run(
                List.of(binary.toString(), "map", "-U", "--output=json", "json:" + Json.write(alone)), LONG);
        return Json.parseObjects(map).stream().anyMatch(extent -> Boolean.TRUE.equals(extent.get("present")));
    }

    /// Copies what the overlay holds into the layer below it; the overlay stays valid as it is.
    public void commit(Path overlay) throws IOException {
        Command.run(List.of(binary.toString(), "commit", "-q", "-d", overlay.toString()), LONG);
    }

    /// Takes the extents of a map one after the other.
    @FunctionalInterface
    interface MapSink {
        void take(MapReader extent) throws IOException;
    }

    /// Asks where each part of a disk lies. The answer is used while it comes: it may be very long.
    ///
    /// @param path names the disk in errors
    /// @param node the disk as QEMU's block layer describes it
    void map(String path, Map<String, Object> node, MapSink sink) throws IOException {
        Process process = new ProcessBuilder(
                        binary.toString(), "map", "-U", "--output=json", "json:" + Json.write(node))
                .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                .start();
        process.onExit().orTimeout(LONG.toSeconds(), TimeUnit.SECONDS).exceptionally(_ -> process.destroyForcibly());
        Complaints errors = Complaints.of(process.getErrorStream());
        try (InputStream output = new BufferedInputStream(process.getInputStream(), 1 << 16)) {
            var extents = new MapReader(output);
            while (extents.nextExtent()) {
                sink.take(extents);
            }
            // What it prints after the array is a line break, and it may want to get rid of it.
            if (output.skip(Long.MAX_VALUE) > 1 || exitValue(process) != 0) {
                throw new EOFException();
            }
        } catch (EOFException e) {
            throw new DiskException("%s: qemu-img cannot map it: %s".formatted(path, errors.text()), e);
        } finally {
            process.destroyForcibly();
        }
    }

    /// Takes ranges of a disk one after the other.
    @FunctionalInterface
    public interface RangeSink {
        void take(long startBytes, long lengthBytes);
    }

    /// Asks a QEMU which serves a disk over NBD what one of its dirty bitmaps holds.
    ///
    /// @param export name of the export, which must offer the bitmap
    /// @param sink given the dirty ranges, ascending
    public void dirtyRanges(Path socket, String export, String bitmap, RangeSink sink) throws IOException {
        var node = new LinkedHashMap<String, Object>();
        node.put("driver", "nbd");
        node.put("server", Map.of("type", "unix", "path", socket.toString()));
        node.put("export", export);
        // The option has the map show the bitmap in place of the data: what is dirty is shown as absent.
        node.put("x-dirty-bitmap", "qemu:dirty-bitmap:" + bitmap);
        map(socket.toString(), node, extent -> {
            if (!extent.isData()) {
                sink.take(extent.start(), extent.length());
            }
        });
    }

    /// Names the parts of a disk that a layer holds by itself, be it as zeros, ascending.
    public void presentRanges(Layer layer, RangeSink sink) throws IOException {
        try (LayerFile file = LayerFile.open(layer)) {
            map(layer.path(), file.node(null), extent -> {
                if (extent.isPresent()) {
                    sink.take(extent.start(), extent.length());
                }
            });
        }
    }

    /// {@return the `qemu-nbd` that belongs to this tool}
    Path server() {
        Path sibling = binary.resolveSibling("qemu-nbd");
        return Files.isExecutable(sibling) ? sibling : Path.of("qemu-nbd"); // Then that on the PATH.
    }

    private List<Map<String, Object>> info(Path top) throws IOException {
        if (!Files.exists(top)) {
            throw new DiskException(top + ": no such disk file, give the path of a disk image");
        }
        if (Files.isDirectory(top)) {
            throw new DiskException(top + ": is a folder, give the path of a disk image");
        }
        Command.Result run = Command.tryRun(
                List.of(binary.toString(), "info", "-U", "--backing-chain", "--output=json", top.toString()), SHORT);
        if (run.exitCode() != 0) {
            String words = run.errors().strip().replace("\n", "; ").replaceFirst("^qemu-img: ", "");
            throw new DiskException(top + ": not a disk image, or a layer of it is not: " + words);
        }
        return Json.parseObjects(run.output());
    }

    private static Layer.Format formatOf(Map<String, Object> layer) throws DiskException {
        try {
            return Layer.Format.of((String) layer.get("format"));
        } catch (IllegalArgumentException e) {
            throw new DiskException(layer.get("filename") + ": " + e.getMessage(), e);
        }
    }

    /// Not by the future that [Process#onExit] gives: it is completed by the common pool, whose one thread on a
    /// host of two processors may be the one that waits.
    private static int exitValue(Process process) throws IOException {
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while qemu-img ended");
        }
    }
}
