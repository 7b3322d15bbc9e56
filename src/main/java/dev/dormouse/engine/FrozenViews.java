package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.restore.PreparedImage;
import java.io.IOException;
import java.util.List;

/// Opens the disks of an image as the guest saw them, for its on-disk pages. Their layers are locked and
/// compared by [FrozenLayers] before.
final class FrozenViews implements PreparedImage.Disks {
    private final List<BackingChain> chains;
    private final QemuTools tools;

    FrozenViews(ImageMetadata metadata, QemuTools tools) {
        this.chains = metadata.chains();
        this.tools = tools;
    }

    @Override
    public DiskView open(int disk) throws IOException {
        if (disk >= chains.size()) {
            throw new DiskException("disk %d: pages of the guest are on it, but its image names only %d disks"
                    .formatted(disk, chains.size()));
        }
        return FrozenDiskView.open(chains.get(disk), tools.images());
    }
}
