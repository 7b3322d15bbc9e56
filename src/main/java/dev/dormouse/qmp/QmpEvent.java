package dev.dormouse.qmp;

import java.util.Map;

/// Something that QEMU reported unasked.
///
/// @param name as QEMU spells it, for example `STOP`
/// @param data empty when the event has none
/// @param arrivalNanos [System#nanoTime] when the whole line had been read
public record QmpEvent(String name, Map<String, Object> data, long arrivalNanos) {
    /// {@return whether the event has this name and its data this value under the key}
    public boolean matches(String eventName, String key, Object value) {
        return name.equals(eventName) && value.equals(data.get(key));
    }
}
