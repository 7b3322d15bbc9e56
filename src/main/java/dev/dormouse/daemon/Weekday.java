package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.time.DayOfWeek;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/// A day of the week as people write it, `mon` to `sun`, in this order.
public enum Weekday {
    MON(DayOfWeek.MONDAY),
    TUE(DayOfWeek.TUESDAY),
    WED(DayOfWeek.WEDNESDAY),
    THU(DayOfWeek.THURSDAY),
    FRI(DayOfWeek.FRIDAY),
    SAT(DayOfWeek.SATURDAY),
    SUN(DayOfWeek.SUNDAY);

    private final DayOfWeek day;

    Weekday(DayOfWeek day) {
        this.day = day;
    }

    /// {@return as it is written}
    @Json.Value
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Weekday of(DayOfWeek day) {
        return Arrays.stream(values())
                .filter(weekday -> weekday.day == day)
                .findFirst()
                .orElseThrow();
    }

    /// {@return the day after it, Monday after Sunday}
    Weekday next() {
        return of(day.plus(1));
    }

    /// {@return the day of that name, in whatever case; empty if there is none}
    static Optional<Weekday> named(String word) {
        return Arrays.stream(values())
                .filter(day -> day.name().equalsIgnoreCase(word))
                .findFirst();
    }

    @Override
    public String toString() {
        return word();
    }
}
