package dev.dormouse.image;

import dev.dormouse.base.DormouseException;
import java.nio.file.Path;

/// The image's bytes are not what was written. Remedy: another image, or another copy of this one.
public final class CorruptImageException extends DormouseException {
    private static final long serialVersionUID = 1L;

    private final long position;

    CorruptImageException(Path file, long position, String what) {
        super(file + ": damaged at byte " + position + ": " + what);
        this.position = position;
    }

    CorruptImageException(Path file, long position, String what, Throwable cause) {
        super(file + ": damaged at byte " + position + ": " + what, cause);
        this.position = position;
    }

    /// {@return the place in the file that is wrong, or where the wrong part begins}
    public long position() {
        return position;
    }
}
