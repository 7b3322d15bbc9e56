package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.zone.ZoneOffsetTransition;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Hours that begin on some days of the week, by the clock of the host, and last for a day at most.
///
/// @param days on which they begin; each day if there are none
/// @param from `HH:MM`
/// @param to `HH:MM` or `24:00`, of the next day if it is not after `from`
@Json
public record SleepWindow(List<Weekday> days, String from, String to) {
    private static final Pattern BEGIN = Pattern.compile("([01][0-9]|2[0-3]):[0-5][0-9]");
    private static final Pattern END = Pattern.compile(BEGIN.pattern() + "|24:00");
    private static final String MIDNIGHT = "24:00";
    private static final int DAYS = Weekday.values().length;

    public SleepWindow {
        days = days == null ? List.of() : List.copyOf(days);
    }

    /// @param text `[DAYS] FROM-TO`, where `DAYS` is as in `mon-fri` or `sat,sun`
    /// @throws IllegalArgumentException if it is none
    public static SleepWindow parse(String text) {
        String[] words = text.strip().split("\\s+", -1);
        String[] times = words[words.length - 1].split("-", -1);
        if (words.length > 2 || times.length != 2) {
            throw wrong(text);
        }
        List<Weekday> days = words.length == 1 ? List.of() : parseDays(words[0], text);
        var window = new SleepWindow(days, times[0], times[1]);
        if (!window.hasTimes()) {
            throw wrong(text);
        }
        return window;
    }

    private static List<Weekday> parseDays(String list, String text) {
        Set<Weekday> days = EnumSet.noneOf(Weekday.class);
        for (String range : list.split(",", -1)) {
            String[] ends = range.split("-", -1);
            if (ends.length > 2) {
                throw wrong(text);
            }
            Weekday last = parseDay(ends[ends.length - 1], text);
            for (Weekday day = parseDay(ends[0], text); day != last; day = day.next()) { // It may go over Sunday.
                days.add(day);
            }
            days.add(last);
        }
        return List.copyOf(days);
    }

    private static Weekday parseDay(String word, String text) {
        return Weekday.named(word).orElseThrow(() -> wrong(text));
    }

    private static IllegalArgumentException wrong(String text) {
        return new IllegalArgumentException(
                "sleep '%s': not hours of sleep, use [DAYS] FROM-TO as in 20:00-07:30 or 'mon-fri 20:00-07:30' or 'sat,sun 00:00-24:00'"
                        .formatted(text));
    }

    private boolean hasTimes() {
        return from != null
                && to != null
                && BEGIN.matcher(from).matches()
                && END.matcher(to).matches();
    }

    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        if (!hasTimes()) {
            throw wrong(text());
        }
    }

    /// Whether it is one of these hours. Each window begins and ends once, also where the clock is put forward or back:
    /// a time that is left out is the moment of the change, one that comes twice the first of the two.
    boolean contains(ZonedDateTime now) {
        LocalDate today = now.toLocalDate();
        return isIn(today, now) || isIn(today.minusDays(1), now); // It lasts for a day at most.
    }

    private boolean isIn(LocalDate day, ZonedDateTime now) {
        if (!days.isEmpty() && !days.contains(Weekday.of(day.getDayOfWeek()))) {
            return false;
        }
        LocalTime begin = LocalTime.parse(from);
        LocalTime end = to.equals(MIDNIGHT) ? LocalTime.MIN : LocalTime.parse(to);
        LocalDate endDay = begin.isBefore(end) ? day : day.plusDays(1);
        Instant moment = now.toInstant();
        return !moment.isBefore(moment(day.atTime(begin), now.getZone()))
                && moment.isBefore(moment(endDay.atTime(end), now.getZone()));
    }

    private static Instant moment(LocalDateTime time, ZoneId zone) {
        ZoneOffsetTransition change = zone.getRules().getTransition(time);
        return change != null && change.isGap()
                ? change.getInstant()
                : time.atZone(zone).toInstant();
    }

    /// {@return as [#parse] takes it}
    public String text() {
        String times = from + "-" + to;
        return days.isEmpty() || EnumSet.copyOf(days).size() == DAYS ? times : daysText() + " " + times;
    }

    /// Three days and more that follow each other are told by the first and the last of them.
    private String daysText() {
        var runs = new ArrayList<List<Weekday>>();
        for (Weekday day : EnumSet.copyOf(days)) {
            if (runs.isEmpty() || runs.getLast().getLast().next() != day) {
                runs.add(new ArrayList<>());
            }
            runs.getLast().add(day);
        }
        return runs.stream().map(SleepWindow::runText).collect(Collectors.joining(","));
    }

    private static String runText(List<Weekday> run) {
        return run.size() > 2
                ? run.getFirst() + "-" + run.getLast()
                : run.stream().map(Weekday::word).collect(Collectors.joining(","));
    }
}
