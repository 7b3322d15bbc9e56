package dev.dormouse.engine;

/// What was asked for is wrong in itself, whatever state a VM is in: a name, a size, a count or a word that
/// is not allowed. The command line reports it as wrong usage.
public final class UsageException extends VmException {
    private static final long serialVersionUID = 1L;

    public UsageException(String message) {
        super(message);
    }

    public UsageException(String message, Throwable cause) {
        super(message, cause);
    }
}
