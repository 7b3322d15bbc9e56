package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// The hours in which a VM is to sleep, by the clock of the host: it is suspended then when it has had no client for a
/// minute, whatever its guest does, unless that says itself that it wants to stay awake. A client wakes it all the
/// same.
///
/// @param windows the hours, 1 to 50 of them, which may overlap
/// @param awakeSeconds as in [IdlePolicy]
/// @param askGuest as in [IdlePolicy]
@io.avaje.jsonb.Json
public record Sleep(List<SleepWindow> windows, int awakeSeconds, boolean askGuest) {
    static final int REST_SECONDS = 60;
    private static final int WINDOWS_MAX = 50;

    public Sleep {
        windows = windows == null ? List.of() : List.copyOf(windows);
    }

    /// @param texts each as [SleepWindow#parse] takes it
    /// @throws IllegalArgumentException if one is wrong
    public static Sleep parse(List<String> texts, int awakeSeconds, boolean askGuest) {
        var sleep = new Sleep(texts.stream().map(SleepWindow::parse).toList(), awakeSeconds, askGuest);
        sleep.check();
        return sleep;
    }

    /// {@return settings with hours of sleep as they are written now} Once they were one time of all days, `from` and
    /// `to` beside `awakeSeconds`; a VM that has such settings keeps them.
    ///
    /// @param settings JSON; what cannot be read, and anything else, is returned as it is
    static String ofToday(String settings) {
        if (!settings.contains("\"from\"")) {
            return settings;
        }
        Map<String, Object> all;
        try {
            all = new LinkedHashMap<>(Json.parseObject(settings));
        } catch (IllegalArgumentException _) {
            return settings; // Whoever reads it says what is wrong.
        }
        if (!(all.get("sleep") instanceof Map<?, ?> sleep && sleep.containsKey("from"))) {
            return settings;
        }
        var window = new LinkedHashMap<Object, Object>(sleep);
        var rest = new LinkedHashMap<Object, Object>(sleep);
        window.keySet().retainAll(List.of("from", "to"));
        rest.keySet().removeAll(List.of("from", "to"));
        rest.put("windows", List.of(window));
        all.put("sleep", rest);
        return Json.write(all);
    }

    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        if (windows.isEmpty() || windows.size() > WINDOWS_MAX) {
            throw new IllegalArgumentException(
                    "sleep: 'windows' has %d, 1 to %d are allowed".formatted(windows.size(), WINDOWS_MAX));
        }
        windows.forEach(SleepWindow::check);
        IdlePolicy.require("sleep", "awakeSeconds", awakeSeconds, 0, IdlePolicy.SECONDS_MAX);
    }

    boolean contains(ZonedDateTime now) {
        return windows.stream().anyMatch(window -> window.contains(now));
    }

    /// {@return its hours, for people}
    public String text() {
        return windows.stream().map(SleepWindow::text).collect(Collectors.joining(" and "));
    }
}
