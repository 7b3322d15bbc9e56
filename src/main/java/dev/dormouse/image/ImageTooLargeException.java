package dev.dormouse.image;

import dev.dormouse.base.DormouseException;
import java.nio.file.Path;

/// The guest's memory does not fit into the format. Remedy: larger extents.
public final class ImageTooLargeException extends DormouseException {
    private static final long serialVersionUID = 1L;

    ImageTooLargeException(Path file, int extentsMax) {
        super(file + ": image has more than " + extentsMax + " extents; write it with more pages in each");
    }
}
