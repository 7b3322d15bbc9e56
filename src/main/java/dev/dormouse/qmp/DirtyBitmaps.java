package dev.dormouse.qmp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// QEMU's record of which clusters of a block node were written since the record began. It follows the
/// node, whoever writes it, a block job included, and ends with its QEMU. Any thread, one at a time.
public final class DirtyBitmaps {
    /// The unit in which writes are recorded.
    public static final int GRANULARITY_BYTES = 64 << 10;
    private static final String EXPORT = "dirty";
    private final QmpClient qmp;

    public DirtyBitmaps(QmpClient qmp) {
        this.qmp = qmp;
    }

    /// Begins a record on each of the nodes, all at the same moment.
    public void add(String bitmap, List<String> nodes) throws IOException {
        if (nodes.isEmpty()) {
            return;
        }
        var actions = new ArrayList<Map<String, Object>>();
        for (String node : nodes) {
            actions.add(action(
                    "block-dirty-bitmap-add",
                    Map.of("node", node, "name", bitmap, "granularity", GRANULARITY_BYTES, "persistent", false)));
        }
        qmp.execute("transaction", Map.of("actions", actions));
    }

    /// Begins a new record under another name and ends the old one, without a gap between them.
    public void succeed(String ended, String begun, String node) throws IOException {
        qmp.execute(
                "transaction",
                Map.of(
                        "actions",
                        List.of(
                                action(
                                        "block-dirty-bitmap-add",
                                        Map.of(
                                                "node", node,
                                                "name", begun,
                                                "granularity", GRANULARITY_BYTES,
                                                "persistent", false)),
                                action("block-dirty-bitmap-disable", Map.of("node", node, "name", ended)))));
    }

    /// Ends a record: what is written from now on is not in it.
    public void end(String bitmap, String node) throws IOException {
        qmp.execute("block-dirty-bitmap-disable", Map.of("node", node, "name", bitmap));
    }

    public void remove(String bitmap, String node) throws IOException {
        qmp.execute("block-dirty-bitmap-remove", Map.of("node", node, "name", bitmap));
    }

    /// Reads one record that has ended from the export of its node.
    @FunctionalInterface
    public interface Reader<T> {
        /// @param socket where QEMU serves the node over NBD, while this runs
        /// @param export name of the export
        T read(Path socket, String export) throws IOException;
    }

    /// Offers a record that has ended over NBD, as the metadata context `qemu:dirty-bitmap:NAME`, to
    /// a reader.
    ///
    /// @param socket a free path of at most 107 bytes; gone afterwards
    public <T> T read(String bitmap, String node, Path socket, Reader<T> reader) throws IOException {
        Files.deleteIfExists(socket);
        qmp.execute(
                "nbd-server-start", Map.of("addr", Map.of("type", "unix", "data", Map.of("path", socket.toString()))));
        try {
            // QEMU asks for all rights; the folder lets nobody else in meanwhile.
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
            qmp.execute(
                    "block-export-add",
                    Map.of("type", "nbd", "id", EXPORT, "node-name", node, "name", EXPORT, "bitmaps", List.of(bitmap)));
            return reader.read(socket, EXPORT);
        } finally {
            qmp.execute("nbd-server-stop"); // Ends its exports, too.
            Files.deleteIfExists(socket);
        }
    }

    private static Map<String, Object> action(String type, Map<String, Object> data) {
        return Map.of("type", type, "data", data);
    }
}
