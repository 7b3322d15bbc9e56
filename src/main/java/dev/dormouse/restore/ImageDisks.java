package dev.dormouse.restore;

import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ImageReader;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// The frozen disks to which on-disk pages of an image refer, opened when the first such page is met: an
/// image without any needs none. Owned by one thread.
final class ImageDisks implements AutoCloseable {
    /// The image's page table has a byte for the number of a disk.
    static final int COUNT_MAX = 256;

    private final ImageReader image;
    private final PreparedImage.Disks opener;
    private final @Nullable DiskView[] views = new DiskView[COUNT_MAX];

    ImageDisks(ImageReader image, PreparedImage.Disks opener) {
        this.image = image;
        this.opener = opener;
    }

    /// Opens the disk if it is not open yet.
    ///
    /// @throws RestoreException if there is no such disk, or it ends before the block
    void check(long frame, int disk, long block) throws IOException {
        DiskView view = views[disk];
        if (view == null) {
            view = opener.open(disk);
            views[disk] = view;
        }
        if (block >= view.blockCount()) {
            throw new RestoreException("%s: the page of frame %d is block %d of disk %d, which has %d blocks"
                    .formatted(image.path(), frame, block, disk, view.blockCount()));
        }
    }

    /// {@return a disk that was opened by [#check]}
    DiskView view(int disk) {
        DiskView view = views[disk];
        assert view != null : "the first pass over the page table opened it";
        return view;
    }

    @Override
    public void close() throws IOException {
        for (int i = 0; i < views.length; i++) {
            DiskView view = views[i];
            views[i] = null;
            if (view != null) {
                view.close();
            }
        }
    }
}
