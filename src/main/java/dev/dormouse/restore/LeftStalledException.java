package dev.dormouse.restore;

/// A page could not be served, and nobody wanted to wait for it any more: see [RestoreListener#givesUp]. The message
/// is the reason of the stall.
public final class LeftStalledException extends RestoreException {
    private static final long serialVersionUID = 1L;

    LeftStalledException(String reason) {
        super(reason);
    }
}
