package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.util.Locale;

/// Whose restore goes first, where not all may be under way at once. Later is more.
public enum Priority {
    LOW,
    NORMAL,
    HIGH;

    /// {@return as it is written}
    @Json.Value
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    @Override
    public String toString() {
        return word();
    }
}
