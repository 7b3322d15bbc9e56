package dev.dormouse.disk;

import dev.dormouse.storage.ReadableFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// What we need of a qcow2 header: the size of a cluster, whether the guest's data lies in another file, and in
/// which one. Big-endian.
///
/// | offset | size | field                                                |
/// |-------:|-----:|------------------------------------------------------|
/// |      0 |    4 | magic `QFI\xfb`                                      |
/// |      4 |    4 | version, 2 or 3                                      |
/// |     20 |    4 | cluster bits, 9 to 21                                |
/// |     72 |    8 | incompatible features (version 3); bit 2: data file  |
/// |    100 |    4 | header length (version 3): extensions start there    |
///
/// @param clusterBytes the unit in which the file takes space: what is not written of it is copied from below
/// @param hasDataFile whether the data is in another file
/// @param dataFile its name as it was given, null if the header does not hold it
record Qcow2Header(
        int clusterBytes, boolean hasDataFile, @Nullable String dataFile) {
    private static final int MAGIC = 0x514649fb;
    private static final long DATA_FILE_BIT = 1 << 2;
    private static final int DATA_FILE_EXTENSION = 0x44415441;
    private static final int HEADER_BYTES_MIN = 104;
    private static final int NAME_BYTES_MAX = 1023;
    private static final int EXTENSIONS_MAX = 256;

    static Qcow2Header read(ReadableFile file, String path) throws IOException {
        ByteBuffer header = bytes(file, path, 0, HEADER_BYTES_MIN);
        if (header.getInt(0) != MAGIC) {
            throw new DiskException(
                    "%s: first bytes are %#x, a qcow2 file starts with %#x".formatted(path, header.getInt(0), MAGIC));
        }
        int clusterBits = header.getInt(20);
        if (clusterBits < 9 || clusterBits > 21) {
            throw new DiskException("%s: clusters of 2^%d bytes, qcow2 has 2^9 to 2^21".formatted(path, clusterBits));
        }
        int clusterBytes = 1 << clusterBits;
        if (header.getInt(4) < 3 || (header.getLong(72) & DATA_FILE_BIT) == 0) {
            return new Qcow2Header(clusterBytes, false, null);
        }
        String name = dataFileName(file, path, Integer.toUnsignedLong(header.getInt(100)));
        return new Qcow2Header(clusterBytes, true, name);
    }

    private static @Nullable String dataFileName(ReadableFile file, String path, long start) throws IOException {
        long at = start;
        for (int i = 0; i < EXTENSIONS_MAX; i++) {
            ByteBuffer extension = bytes(file, path, at, 8);
            int type = extension.getInt(0);
            long length = Integer.toUnsignedLong(extension.getInt(4));
            if (type == 0) {
                return null;
            }
            if (type == DATA_FILE_EXTENSION && length <= NAME_BYTES_MAX) {
                return StandardCharsets.UTF_8
                        .decode(bytes(file, path, at + 8, (int) length))
                        .toString();
            }
            at += 8 + (length + 7) / 8 * 8;
        }
        return null;
    }

    private static ByteBuffer bytes(ReadableFile file, String path, long at, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        try {
            file.readFully(bytes, at);
        } catch (EOFException e) {
            throw new DiskException(path + ": ends in its header, give a complete qcow2 file", e);
        }
        return bytes.flip();
    }
}
