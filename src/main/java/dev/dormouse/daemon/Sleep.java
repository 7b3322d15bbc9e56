package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.time.LocalTime;
import java.util.regex.Pattern;

/// The time of day in which a VM is to sleep, by the clock of the host: it is suspended then when it has had no client
/// for a minute, whatever its guest does, unless that says itself that it wants to stay awake. A client wakes it all
/// the same.
///
/// @param from `HH:MM`
/// @param to `HH:MM`, of the next day if it is not after `from`
/// @param awakeSeconds as in [IdlePolicy]
/// @param askGuest as in [IdlePolicy]
@Json
public record Sleep(String from, String to, int awakeSeconds, boolean askGuest) {
    static final int REST_SECONDS = 60;
    private static final Pattern TIME = Pattern.compile("([01][0-9]|2[0-3]):[0-5][0-9]");

    /// @param text `FROM-TO`
    /// @throws IllegalArgumentException if it is none
    public static Sleep parse(String text, int awakeSeconds, boolean askGuest) {
        String[] parts = text.split("-", -1);
        var sleep = new Sleep(parts[0], parts.length == 2 ? parts[1] : "", awakeSeconds, askGuest);
        sleep.check();
        return sleep;
    }

    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        if (from == null
                || to == null
                || !TIME.matcher(from).matches()
                || !TIME.matcher(to).matches()) {
            throw new IllegalArgumentException(
                    "sleep '%s-%s': not two times of day, use FROM-TO as in 20:00-07:30".formatted(from, to));
        }
        IdlePolicy.require("sleep", "awakeSeconds", awakeSeconds, 0, IdlePolicy.SECONDS_MAX);
    }

    boolean contains(LocalTime now) {
        LocalTime begin = LocalTime.parse(from);
        LocalTime end = LocalTime.parse(to);
        return begin.isBefore(end)
                ? !now.isBefore(begin) && now.isBefore(end)
                : !now.isBefore(begin) || now.isBefore(end);
    }
}
