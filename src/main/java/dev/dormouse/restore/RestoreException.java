package dev.dormouse.restore;

import dev.dormouse.base.DormouseException;

/// A restore could not be carried through: the incoming QEMU refused, vanished, or broke the protocol.
public sealed class RestoreException extends DormouseException permits LeftStalledException {
    private static final long serialVersionUID = 1L;

    public RestoreException(String message) {
        super(message);
    }

    public RestoreException(String message, Throwable cause) {
        super(message, cause);
    }
}
