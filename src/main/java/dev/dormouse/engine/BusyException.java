package dev.dormouse.engine;

/// Somebody else works on the VM.
public final class BusyException extends VmException {
    private static final long serialVersionUID = 1L;

    public BusyException(String message) {
        super(message);
    }
}
