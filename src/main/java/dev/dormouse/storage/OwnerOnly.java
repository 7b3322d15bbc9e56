package dev.dormouse.storage;

/// Keeps files from everybody but their owner.
public final class OwnerOnly {
    private static final int OTHERS = 0077;

    private OwnerOnly() {}

    /// From here on nothing that this process creates, or that the programs do which it starts, is open to others:
    /// logs, overlays, sockets, exports, too, which others create for us.
    public static void fromNowOn() {
        Libc.umask(OTHERS);
    }
}
