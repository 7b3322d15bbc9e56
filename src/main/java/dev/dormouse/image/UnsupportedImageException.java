package dev.dormouse.image;

import dev.dormouse.base.DormouseException;
import java.nio.file.Path;

/// The image is sound as far as can be seen, and needs another build of Dormouse.
public final class UnsupportedImageException extends DormouseException {
    private static final long serialVersionUID = 1L;

    private final long version;

    private UnsupportedImageException(Path file, long version, String what) {
        super(file + ": " + what);
        this.version = version;
    }

    static UnsupportedImageException version(Path file, long version) {
        if (version == 0) {
            return new UnsupportedImageException(
                    file,
                    version,
                    "image format 0, which was never released and is read only by the build that wrote it; this build reads %d to %d"
                            .formatted(ImageFormat.VERSION_MIN, ImageFormat.VERSION));
        }
        return new UnsupportedImageException(
                file,
                version,
                "image format %d; this build reads %d to %d"
                        .formatted(version, ImageFormat.VERSION_MIN, ImageFormat.VERSION));
    }

    static UnsupportedImageException feature(Path file, long version, String feature) {
        return new UnsupportedImageException(
                file, version, "image uses %s, which this build does not know; use a newer one".formatted(feature));
    }

    /// {@return the format version that the image states}
    public long version() {
        return version;
    }
}
