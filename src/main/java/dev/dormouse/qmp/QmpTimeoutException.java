package dev.dormouse.qmp;

import dev.dormouse.base.DormouseException;

/// QEMU did not answer, or did not reach a state, within the bound. What was asked may still happen.
public final class QmpTimeoutException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public QmpTimeoutException(String message) {
        super(message);
    }
}
