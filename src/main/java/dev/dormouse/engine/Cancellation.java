package dev.dormouse.engine;

import java.util.function.BooleanSupplier;

/// A wish that an operation end early, from another thread: Ctrl-C. An operation heeds it only where it
/// can be undone, and then leaves everything as it was.
public final class Cancellation {
    private final BooleanSupplier also;
    private volatile boolean wanted;

    public Cancellation() {
        this(() -> false);
    }

    /// @param also asked again and again, by any thread, whether the operation is to end
    public Cancellation(BooleanSupplier also) {
        this.also = also;
    }

    public void cancel() {
        wanted = true;
    }

    /// {@return whether the operation is to end}
    boolean isWanted() {
        return wanted || also.getAsBoolean();
    }

    /// @param then what is so afterwards
    /// @throws VmException if the operation is to end
    void check(String operation, String then) throws VmException {
        if (isWanted()) {
            throw new VmException(operation + ": cancelled, " + then);
        }
    }

    /// @throws VmException if the operation is to end
    void check(String operation) throws VmException {
        check(operation, "the VM runs on");
    }
}
