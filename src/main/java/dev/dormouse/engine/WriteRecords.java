package dev.dormouse.engine;

import dev.dormouse.disk.LayerIdentity;
import io.avaje.jsonb.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What a QEMU has been asked to record of the writes to the VM's layers.
///
/// @param qemu the process that holds the records; they end with it
@Json
record WriteRecords(ProcessRef qemu, List<WriteRecord> records) {
    WriteRecords {
        records = List.copyOf(records);
    }

    /// One layer whose writes are recorded from a state on of which there is a block index.
    ///
    /// @param node block node of the layer in QEMU
    /// @param bitmap name of the record
    /// @param since the layer as it was when its index was made
    @Json
    record WriteRecord(String node, String bitmap, LayerIdentity since) {}

    Optional<WriteRecord> of(String node) {
        return records.stream().filter(record -> record.node().equals(node)).findFirst();
    }

    /// {@return the same with another record for the node of this one}
    WriteRecords with(WriteRecord replaced) {
        var changed = new ArrayList<>(records);
        changed.removeIf(record -> record.node().equals(replaced.node()));
        changed.add(replaced);
        return new WriteRecords(qemu, changed);
    }
}
