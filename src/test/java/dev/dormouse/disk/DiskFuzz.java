package dev.dormouse.disk;

import dev.dormouse.storage.ReadableFile;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Fuzz target: the header of a qcow2 file (first byte 0), or what `qemu-img map` prints of a disk (1).
///
/// Invariants: either is read, or refused with a [DiskException] or as ending too early; a map is without gaps from
/// 0 to its end.
public final class DiskFuzz {
    private static final List<LayerFile> LAYERS = layers();

    private DiskFuzz() {}

    private static List<LayerFile> layers() {
        try {
            Path file = Files.createTempFile("layer", ".raw");
            file.toFile().deleteOnExit();
            Files.write(file, new byte[1 << 20]);
            var layer = new Layer(file.toString(), Layer.Format.RAW);
            return List.of(LayerFile.open(layer), LayerFile.open(layer));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        if (data.length == 0) {
            return;
        }
        byte[] input = Arrays.copyOfRange(data, 1, data.length);
        try {
            if (data[0] == 0) {
                Qcow2Header header = Qcow2Header.read(new Bytes(input), "disk.qcow2");
                if (Integer.bitCount(header.clusterBytes()) != 1) {
                    throw new AssertionError("clusters of " + header.clusterBytes() + " bytes");
                }
            } else {
                readMap(input);
            }
        } catch (DiskException | EOFException _) {
            // As it is to be.
        }
    }

    private static void readMap(byte[] input) throws IOException {
        try (var map = new ExtentMap()) {
            var reader = new MapReader(new ByteArrayInputStream(input));
            while (reader.nextExtent()) {
                FrozenDiskView.add(map, reader, LAYERS, "disk.qcow2");
            }
            check(map);
        }
    }

    private static void check(ExtentMap map) {
        long end = 0;
        for (long i = 0; i < map.count(); i++) {
            if (map.startBytes(i) != end || map.endBytes(i) <= end || map.find(map.startBytes(i)) != i) {
                throw new AssertionError("extent " + i + " starts at " + map.startBytes(i) + ", not at " + end);
            }
            end = map.endBytes(i);
        }
    }

    public static List<byte[]> seeds(Path folder) {
        var seeds = new ArrayList<byte[]>();
        ByteBuffer plain = ByteBuffer.allocate(513).put((byte) 0);
        plain.putInt(1, 0x514649fb).putInt(5, 3).putInt(21, 16).putInt(101, 104);
        seeds.add(plain.array().clone());
        plain.putLong(73, 4)
                .putInt(105, 0x44415441)
                .putInt(109, 8)
                .put(113, "data.raw".getBytes(StandardCharsets.UTF_8));
        seeds.add(plain.array());
        for (String map : List.of("[]\n", """
                [{ "start": 0, "length": 65536, "depth": 1, "present": true, "zero": false, "data": true, "compressed": false, "offset": 327680},
                { "start": 65536, "length": 131072, "depth": 0, "present": false, "zero": true, "data": false, "compressed": false},
                { "start": 196608, "length": 4096, "depth": 0, "zero": false, "data": true, "filename": "a\\"b", "offset": null}]
                """)) {
            seeds.add(("\1" + map).getBytes(StandardCharsets.UTF_8));
        }
        return seeds;
    }

    private static final class Bytes implements ReadableFile {
        private final byte[] content;

        Bytes(byte[] content) {
            this.content = content;
        }

        @Override
        public void readFully(ByteBuffer into, long position) throws EOFException {
            if (position > content.length - into.remaining()) {
                throw new EOFException();
            }
            into.put(content, (int) position, into.remaining());
        }

        @Override
        public long lengthBytes() {
            return content.length;
        }

        @Override
        public void close() {}
    }
}
