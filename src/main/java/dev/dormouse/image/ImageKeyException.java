package dev.dormouse.image;

import dev.dormouse.base.DormouseException;

/// An image is encrypted and its key is missing, unusable, or another one.
public final class ImageKeyException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public ImageKeyException(String message) {
        super(message);
    }

    public ImageKeyException(String message, Throwable cause) {
        super(message, cause);
    }
}
