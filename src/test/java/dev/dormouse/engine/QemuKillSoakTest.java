package dev.dormouse.engine;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/// All steps, with the other QEMU and the other memory back end.
@Tag("soak")
class QemuKillSoakTest {
    @Nested
    class Shared extends QemuKillContract {
        @Override
        String memory() {
            return "shared";
        }
    }

    @Nested
    class Qemu10 extends QemuKillContract {
        @Override
        String qemu() {
            return "10.0";
        }
    }
}
