package dev.dormouse.engine;

/// QEMU ended in the middle of a restore, and nothing that the guest did since is lost: the restore can begin
/// again by itself.
final class NothingLostException extends VmException {
    private static final long serialVersionUID = 1L;

    NothingLostException(String message, Throwable cause) {
        super(message, cause);
    }
}
