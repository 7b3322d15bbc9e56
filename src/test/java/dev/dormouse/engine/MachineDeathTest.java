package dev.dormouse.engine;

import org.junit.jupiter.api.Tag;

/// The short form: after some of the steps only. What is not forced is lost, and after a part of these torn.
@Tag("qemu")
class MachineDeathTest extends MachineDeathContract {
    @Override
    int seeds(int step) {
        return step % 8 == 0 ? 3 : step % 4 == 0 ? 1 : 0;
    }

    @Override
    int resumes() {
        return 1;
    }
}
