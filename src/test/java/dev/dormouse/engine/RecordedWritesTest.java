package dev.dormouse.engine;

import java.util.List;
import org.junit.jupiter.api.Tag;

/// The short form: some of the flushes, of the QEMU that merges while the guest runs.
@Tag("qemu")
class RecordedWritesTest extends RecordedWritesContract {
    static List<String> versions() {
        return List.of("7.2");
    }

    @Override
    int marks() {
        return 12;
    }

    @Override
    int bootEvery() {
        return 6;
    }
}
