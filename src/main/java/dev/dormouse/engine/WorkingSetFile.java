package dev.dormouse.engine;

import dev.dormouse.restore.WorkingSet;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The working set of a VM, `working-set` in its folder: what its last restores demanded. Nothing depends
/// on it; whoever deletes it makes the next restore start without.
final class WorkingSetFile {
    private static final long LENGTH_BYTES_MAX = 1 << 20;
    private final Storage storage;
    private final Path file;

    WorkingSetFile(Vm vm) {
        storage = vm.storage();
        file = vm.folder().resolve(Home.WORKING_SET);
    }

    Optional<WorkingSet> read() {
        try {
            return Files.size(file) <= LENGTH_BYTES_MAX
                    ? WorkingSet.decode(Files.readAllBytes(file))
                    : Optional.empty();
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /// Writes it if that is possible: a restore that has succeeded does not fail for it.
    void write(WorkingSet set) {
        try {
            storage.writeAtomically(file, set.encode());
        } catch (IOException _) {
            // The next restore demands what it needs.
        }
    }
}
