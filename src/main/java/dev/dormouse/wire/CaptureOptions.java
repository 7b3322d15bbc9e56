package dev.dormouse.wire;

import java.util.HashMap;
import java.util.Map;

/// What a [MigrationStreamReader] has to know about the sender, because the stream does not say it.
///
/// @param ignoreShared the sender has `x-ignore-shared` on: RAM START holds a guest address per block
/// @param vmDescriptionRequired the JSON at the end must be there; only machines with
///     `suppress-vmdesc=on` leave it out, and without it a cut after the EOF mark goes unnoticed
/// @param deviceStateBytesMax bound for what follows the pages and for a package
/// @param blockPageSizeBytes page sizes of the RAM blocks that are not backed by 4096-byte pages, by name
public record CaptureOptions(
        boolean ignoreShared,
        boolean vmDescriptionRequired,
        int deviceStateBytesMax,
        Map<String, Integer> blockPageSizeBytes) {
    private static final int DEVICE_STATE_BYTES_MAX_DEFAULT = 512 << 20;

    public CaptureOptions {
        if (deviceStateBytesMax < 1) {
            throw new IllegalArgumentException(
                    "bound of the device state is " + deviceStateBytesMax + " bytes, 1 or more is allowed");
        }
        blockPageSizeBytes = Map.copyOf(blockPageSizeBytes);
    }

    /// {@return no shared memory, description required, 512 MiB of device state, no huge pages}
    public static CaptureOptions defaults() {
        return new CaptureOptions(false, true, DEVICE_STATE_BYTES_MAX_DEFAULT, Map.of());
    }

    public CaptureOptions withIgnoreShared(boolean expected) {
        return new CaptureOptions(expected, vmDescriptionRequired, deviceStateBytesMax, blockPageSizeBytes);
    }

    public CaptureOptions withVmDescriptionRequired(boolean required) {
        return new CaptureOptions(ignoreShared, required, deviceStateBytesMax, blockPageSizeBytes);
    }

    public CaptureOptions withDeviceStateBytesMax(int bytesMax) {
        return new CaptureOptions(ignoreShared, vmDescriptionRequired, bytesMax, blockPageSizeBytes);
    }

    public CaptureOptions withBlockPageSize(String block, int pageSizeBytes) {
        var sizes = new HashMap<>(blockPageSizeBytes);
        sizes.put(block, pageSizeBytes);
        return new CaptureOptions(ignoreShared, vmDescriptionRequired, deviceStateBytesMax, sizes);
    }
}
