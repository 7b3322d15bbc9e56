package dev.dormouse.engine;

import org.junit.jupiter.api.Tag;

/// The full form: lost, kept, and many ways of being torn.
@Tag("soak")
class MachineDeathSoakTest extends MachineDeathContract {
    @Override
    int seeds(int step) {
        return 20;
    }

    @Override
    int resumes() {
        return 20;
    }
}
