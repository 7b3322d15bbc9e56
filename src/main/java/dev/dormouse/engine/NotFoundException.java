package dev.dormouse.engine;

/// There is no VM or image of the name that was given.
public final class NotFoundException extends VmException {
    private static final long serialVersionUID = 1L;

    NotFoundException(String message) {
        super(message);
    }
}
