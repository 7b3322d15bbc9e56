package dev.dormouse.engine;

import dev.dormouse.base.DormouseException;

/// What was asked of a VM or an image cannot be done in the state it is in, or it does not exist.
public sealed class VmException extends DormouseException
        permits UsageException,
                NotFoundException,
                NothingLostException,
                LeftOffException,
                BusyException,
                DamagedVmException {
    private static final long serialVersionUID = 1L;

    public VmException(String message) {
        super(message);
    }

    public VmException(String message, Throwable cause) {
        super(message, cause);
    }
}
