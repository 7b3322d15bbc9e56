package dev.dormouse.daemon;

import java.util.Locale;

/// What a client may do; each one may do what those before it may.
enum Role {
    /// Look.
    VIEWER,
    /// Start, stop, suspend, resume, checkpoint; cancel an operation.
    OPERATOR,
    /// Make and remove VMs, images and settings.
    ADMIN;

    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    boolean includes(Role other) {
        return compareTo(other) >= 0;
    }
}
