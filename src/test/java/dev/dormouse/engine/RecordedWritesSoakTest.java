package dev.dormouse.engine;

import org.junit.jupiter.api.Tag;

/// The full form: every flush, and every eighth machine boots or resumes its VM.
@Tag("soak")
class RecordedWritesSoakTest extends RecordedWritesContract {
    @Override
    int marks() {
        return Integer.MAX_VALUE;
    }

    @Override
    int bootEvery() {
        return 8;
    }
}
