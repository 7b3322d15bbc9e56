package dev.dormouse.engine;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/// All steps, with the other QEMU and the other memory back end.
@Tag("soak")
class PageServerKillSoakTest {
    @Nested
    class Shared extends PageServerKillContract {
        @Override
        String memory() {
            return "shared";
        }
    }

    @Nested
    class Qemu10 extends PageServerKillContract {
        @Override
        String qemu() {
            return "10.0";
        }
    }

    @Nested
    class Qemu10Shared extends PageServerKillContract {
        @Override
        String qemu() {
            return "10.0";
        }

        @Override
        String memory() {
            return "shared";
        }
    }
}
