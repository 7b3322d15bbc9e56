package dev.dormouse.bench;

import dev.dormouse.base.DormouseException;

/// The probe in the guest did not answer, answered with an error, or sent bytes that make no sense.
public final class ProbeException extends DormouseException {
    private static final long serialVersionUID = 1L;

    public ProbeException(String message) {
        super(message);
    }

    public ProbeException(String message, Throwable cause) {
        super(message, cause);
    }
}
