package dev.dormouse.engine;

/// What a VM has recorded of itself cannot be understood any more.
public final class DamagedVmException extends VmException {
    private static final long serialVersionUID = 1L;

    DamagedVmException(String message, Throwable cause) {
        super(message, cause);
    }
}
