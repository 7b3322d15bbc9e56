package dev.dormouse.checkpoint;

import dev.dormouse.base.DormouseException;

/// Memory cannot be captured in the way that was tried.
public final class CaptureException extends DormouseException {
    private static final long serialVersionUID = 1;

    public CaptureException(String message) {
        super(message);
    }

    public CaptureException(String message, Throwable cause) {
        super(message, cause);
    }
}
