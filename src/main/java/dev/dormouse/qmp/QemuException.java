package dev.dormouse.qmp;

import dev.dormouse.base.DormouseException;

/// QEMU itself cannot do what is needed: it is not installed, refuses its options, died, lacks a
/// feature, or a job or migration of its failed.
public final class QemuException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public QemuException(String message) {
        super(message);
    }

    public QemuException(String message, Throwable cause) {
        super(message, cause);
    }
}
