package dev.dormouse.engine;

/// A wish that an operation end early, from another thread: Ctrl-C. An operation heeds it only where it
/// can be undone, and then leaves everything as it was.
public final class Cancellation {
    private volatile boolean wanted;

    public void cancel() {
        wanted = true;
    }

    /// {@return whether the operation is to end}
    boolean isWanted() {
        return wanted;
    }

    /// @param then what is so afterwards
    /// @throws VmException if the operation is to end
    void check(String operation, String then) throws VmException {
        if (wanted) {
            throw new VmException(operation + ": cancelled, " + then);
        }
    }

    /// @throws VmException if the operation is to end
    void check(String operation) throws VmException {
        check(operation, "the VM runs on");
    }
}
