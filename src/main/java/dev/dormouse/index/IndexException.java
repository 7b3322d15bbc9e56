package dev.dormouse.index;

import dev.dormouse.base.DormouseException;

/// An index could not be made: the disk is too large for one, or somebody wished to end it early.
public final class IndexException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public IndexException(String message) {
        super(message);
    }

    public IndexException(String message, Throwable cause) {
        super(message, cause);
    }
}
