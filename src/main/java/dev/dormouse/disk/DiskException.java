package dev.dormouse.disk;

import dev.dormouse.base.DormouseException;

/// A disk layer is missing, changed, of the wrong format, or in use by somebody else.
public final class DiskException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public DiskException(String message) {
        super(message);
    }

    public DiskException(String message, Throwable cause) {
        super(message, cause);
    }
}
