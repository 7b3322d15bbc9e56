package dev.dormouse.qmp;

import dev.dormouse.base.DormouseException;

/// There is no usable connection to a monitor: it could not be made, was lost, or the peer does not
/// speak QMP. Whether a command that was under way took effect is unknown.
public final class QmpConnectionException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public QmpConnectionException(String message) {
        super(message);
    }

    public QmpConnectionException(String message, Throwable cause) {
        super(message, cause);
    }
}
