package dev.dormouse.engine;

import org.junit.jupiter.api.Tag;

/// With the QEMU of the system and the memory back end that is preset.
@Tag("qemu")
class PageServerKillTest extends PageServerKillContract {}
