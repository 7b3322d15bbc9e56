package dev.dormouse.wire;

import dev.dormouse.base.DormouseException;

/// The peer of a migration sent something that this build does not accept, or hung up too early. The
/// remedy lies with the peer: its settings, its version, or another try.
public final class ProtocolException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public ProtocolException(String message) {
        super(message);
    }

    public ProtocolException(String message, Throwable cause) {
        super(message, cause);
    }
}
