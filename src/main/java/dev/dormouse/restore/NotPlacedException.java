package dev.dormouse.restore;

import dev.dormouse.base.DormouseException;

/// Pages could not be placed now, but may be later: the host has no memory for them. Whoever waits for
/// them goes on waiting.
final class NotPlacedException extends DormouseException {
    private static final long serialVersionUID = 1L;

    private final int placedPages;

    /// @param placedPages how many were placed before that
    NotPlacedException(String message, int placedPages) {
        super(message);
        this.placedPages = placedPages;
    }

    int placedPages() {
        return placedPages;
    }

    /// {@return the same, with pages of the same call that were placed before}
    NotPlacedException after(int pages) {
        var longer = new NotPlacedException(String.valueOf(getMessage()), placedPages + pages);
        longer.setStackTrace(getStackTrace());
        return longer;
    }
}
