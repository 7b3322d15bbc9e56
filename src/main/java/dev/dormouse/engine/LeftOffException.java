package dev.dormouse.engine;

/// A recovery was cancelled while a page could not be had: the guest waits for it as before.
final class LeftOffException extends VmException {
    private static final long serialVersionUID = 1L;

    LeftOffException(String message, Throwable cause) {
        super(message, cause);
    }
}
