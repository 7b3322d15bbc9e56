package dev.dormouse.bench;

import java.util.Arrays;
import java.util.Locale;

/// The storage from which a restore reads: this machine's own, or one that is made as slow as what people
/// have. Throttled storage is measured only cold, because from the page cache it equals the machine's own.
enum StorageProfile {
    /// Image, save files and disks are in the page cache.
    WARM(0, 0),
    /// They are not; the device is as fast as it is.
    COLD(0, 0),
    /// A SATA SSD.
    SATA(500_000_000, 50_000),
    /// Storage behind a network of 1 Gbit/s.
    NAS(110_000_000, 2_000);

    private final long bytesPerSecond;
    private final int readsPerSecond;

    StorageProfile(long bytesPerSecond, int readsPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
        this.readsPerSecond = readsPerSecond;
    }

    static StorageProfile named(String name) {
        return Arrays.stream(values())
                .filter(profile -> profile.text().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("storage profile is '" + name + "', allowed are "
                        + Arrays.stream(values()).map(StorageProfile::text).toList()));
    }

    String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    boolean isCold() {
        return this != WARM;
    }

    boolean isThrottled() {
        return bytesPerSecond > 0;
    }

    long bytesPerSecond() {
        return bytesPerSecond;
    }

    int readsPerSecond() {
        return readsPerSecond;
    }
}
