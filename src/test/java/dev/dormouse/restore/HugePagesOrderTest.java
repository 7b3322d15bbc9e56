package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// `engine.HugePagesTest` has them made in a real QEMU.
class HugePagesOrderTest {
    private static final long HUGE_BYTES = 2 << 20;
    private static final int FRAMES = 512;
    private static final RestoreListener LISTENER = new RestoreListener() {};

    @Test
    void whatTheGuestWantedMostComesFirst() throws Exception {
        var pages = new HugePages();
        pages.add(10 * HUGE_BYTES, 0, 5 * FRAMES);
        long[] wanted = {FRAMES - 1, 2 * FRAMES, 2 * FRAMES + 7, 4 * FRAMES, 4 * FRAMES + 1, 5 * FRAMES - 1};

        long[] addresses = pages.addresses(new MemorySource(5 * FRAMES), wanted, LISTENER);

        assertThat(addresses)
                .containsExactly(14 * HUGE_BYTES, 12 * HUGE_BYTES, 10 * HUGE_BYTES, 11 * HUGE_BYTES, 13 * HUGE_BYTES);
    }

    @Test
    void framesAreThoseOfTheRegionThatIsAligned() throws Exception {
        var pages = new HugePages();
        long shift = 4096L * 100; // The region begins so far into a huge page.
        pages.add(10 * HUGE_BYTES + shift, 7, 3 * FRAMES);
        long secondFrame = 7 + (FRAMES - 100) + FRAMES;

        long[] addresses = pages.addresses(new MemorySource(4 * FRAMES), new long[] {secondFrame}, LISTENER);

        assertThat(addresses).containsExactly(12 * HUGE_BYTES, 11 * HUGE_BYTES);
    }

    @Test
    void mostlyZeroOnesAreLeftOut() throws Exception {
        var pages = new HugePages();
        pages.add(HUGE_BYTES, 0, 2 * FRAMES);

        long[] addresses =
                pages.addresses(new MemorySource(2 * FRAMES).withZeroes(0, 300), new long[] {0, 1, 2}, LISTENER);

        assertThat(addresses).containsExactly(2 * HUGE_BYTES);
    }
}
