package dev.dormouse.catalog;

import dev.dormouse.base.DormouseException;

/// The catalog cannot be read or written; its text is one line that says what to do.
public final class CatalogException extends DormouseException {
    private static final long serialVersionUID = 1L;

    CatalogException(String message, Throwable cause) {
        super(message, cause);
    }
}
