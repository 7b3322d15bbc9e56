package dev.dormouse.disk;

import dev.dormouse.base.Command;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.DeflaterOutputStream;

/// Makes disks of every format: by `qemu-img`, and by hand those that it only reads.
public final class ForeignDisks {
    private static final int SECTOR = 512;

    private ForeignDisks() {}

    /// Converts a raw disk.
    ///
    /// @param options of `qemu-img convert -o`, none if empty
    /// @return the disk, beside the raw one
    public static Path make(DiskTools tools, Path raw, Layer.Format format, String options) throws IOException {
        Path disk =
                raw.resolveSibling(raw.getFileName() + options.replaceAll("[^a-zA-Z]", "") + "." + format.qemuName());
        switch (format) {
            case BOCHS -> Files.write(disk, bochs(Files.readAllBytes(raw)));
            case CLOOP -> Files.write(disk, cloop(Files.readAllBytes(raw)));
            default -> convert(tools, raw, format, options, disk);
        }
        return disk;
    }

    private static void convert(DiskTools tools, Path raw, Layer.Format format, String options, Path disk)
            throws IOException {
        var argv = new ArrayList<>(List.of(tools.image().toString(), "convert", "-f", "raw", "-O", format.qemuName()));
        if (!options.isEmpty()) {
            argv.addAll(List.of("-o", options));
        }
        argv.addAll(List.of(raw.toString(), disk.toString()));
        Command.run(argv, Duration.ofMinutes(1));
    }

    /// Blocks of a sector, each compressed.
    private static byte[] cloop(byte[] content) throws IOException {
        int blocks = content.length / SECTOR;
        var head = "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";
        var data = new ByteArrayOutputStream();
        ByteBuffer index = ByteBuffer.allocate(136 + (blocks + 1) * 8);
        index.put(head.getBytes(StandardCharsets.US_ASCII))
                .position(128)
                .putInt(SECTOR)
                .putInt(blocks);
        for (int block = 0; block < blocks; block++) {
            index.putLong(index.capacity() + data.size());
            data.write(deflated(content, block * SECTOR, SECTOR));
        }
        index.putLong(index.capacity() + data.size());
        return joined(index.array(), data.toByteArray());
    }

    /// Extents of eight sectors, a bitmap of their sectors in the sector before each; the last one is not there.
    private static byte[] bochs(byte[] content) {
        int extentBytes = 8 * SECTOR;
        int extents = content.length / extentBytes;
        ByteBuffer head = ByteBuffer.allocate(SECTOR + (extents + 1) * 4).order(ByteOrder.LITTLE_ENDIAN);
        head.put("Bochs Virtual HD Image".getBytes(StandardCharsets.US_ASCII)).position(32);
        head.put("Redolog".getBytes(StandardCharsets.US_ASCII)).position(48);
        head.put("Growing".getBytes(StandardCharsets.US_ASCII)).position(64);
        head.putInt(0x20000).putInt(SECTOR).putInt(extents + 1).putInt(SECTOR).putInt(extentBytes);
        head.putInt(0).putLong(content.length).position(SECTOR);
        ByteBuffer data = ByteBuffer.allocate(extents * (SECTOR + extentBytes));
        for (int extent = 0; extent < extents; extent++) {
            head.putInt(extent);
            data.position(extent * (SECTOR + extentBytes)).put((byte) 0xff);
            data.position(extent * (SECTOR + extentBytes) + SECTOR).put(content, extent * extentBytes, extentBytes);
        }
        head.putInt(-1);
        return joined(head.array(), data.array());
    }

    private static byte[] deflated(byte[] content, int from, int length) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var deflater = new DeflaterOutputStream(bytes)) {
            deflater.write(content, from, length);
        }
        return bytes.toByteArray();
    }

    private static byte[] joined(byte[] one, byte[] other) {
        return ByteBuffer.allocate(one.length + other.length)
                .put(one)
                .put(other)
                .array();
    }
}
