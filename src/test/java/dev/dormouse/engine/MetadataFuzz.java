package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// Fuzz target: the metadata of an image.
///
/// Invariants: it is what this engine can use, or refused with a [VmException] of one line that names the file.
public final class MetadataFuzz {
    private static final Path FILE = Path.of("fuzz.img");

    private MetadataFuzz() {}

    public static void fuzzerTestOneInput(byte[] data) {
        try {
            ImageMetadata metadata = Images.metadata(new String(data, StandardCharsets.UTF_8), FILE);
            metadata.chains().forEach(BackingChain::depth);
            metadata.config().disks().forEach(VmConfig.Disk::id);
        } catch (VmException e) {
            if (!e.getMessage().startsWith("fuzz.img: ") || e.getMessage().indexOf('\n') >= 0) {
                throw new AssertionError("error that does not name the file in one line", e);
            }
        }
    }

    public static List<byte[]> seeds(Path folder) {
        var config = new VmConfig(
                "desktop",
                1 << 30,
                2,
                "pc-q35-7.2",
                "tcg",
                "qemu64-v1",
                VmConfig.MemoryBackend.SHARED,
                List.of(new VmConfig.Disk("disk0", 1 << 30, VmConfig.Disk.Interface.VIRTIO, 1)),
                new VmConfig.Kernel("/vmlinuz", null, "quiet"),
                List.of(new VmConfig.Network("user", null, List.of("tcp:127.0.0.1:2222-:22"), "52:54:00:12:34:56")),
                "127.0.0.1:1",
                null,
                true,
                "5f1e4a8e-0000-4000-8000-000000000001",
                List.of("-device", "virtio-rng-pci"),
                "7.2.22",
                null);
        var layer = new LayerIdentity(new Layer("/disk.raw", Layer.Format.RAW), 1 << 30, 1, 2, 3, 4, null);
        var disks = List.of(new FrozenDisk(List.of(layer), List.of(), null));
        String json = Json.write(new ImageMetadata(
                "20260101-000000-abcdef", "desktop", "2026-01-01T00:00:00Z", "7.2.22", config, disks, 12, List.of()));
        return List.of(json.getBytes(StandardCharsets.UTF_8), "{\"x\":[[[[{}]]]]}".getBytes(StandardCharsets.UTF_8));
    }
}
