package dev.dormouse.restore;

/// [DirectPlacer] into memory that others may share, as that of a memfd.
class DirectPlacerSharedTest extends DirectPlacerTest {
    @Override
    boolean shared() {
        return true;
    }
}
