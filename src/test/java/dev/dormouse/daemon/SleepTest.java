package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Home;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SleepTest {
    private static final ZonedDateTime NIGHT = at("2026-03-02T23:00");
    private static final ZonedDateTime NOON = at("2026-03-02T12:00"); // On a Monday.
    private static final ZoneId BERLIN = ZoneId.of("Europe/Berlin");
    private static final List<String> EVERY_NIGHT = List.of("20:00-07:30");
    private static final Duration LONG = Duration.ofHours(3);

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "20:00-07:30, 19:59, false", "20:00-07:30, 20:00, true", "20:00-07:30, 23:59, true",
        "20:00-07:30, 07:29, true", "20:00-07:30, 07:30, false", "12:00-13:00, 12:30, true",
        "12:00-13:00, 13:00, false", "12:00-13:00, 11:59, false", "00:00-00:00, 05:00, true",
        "20:00-24:00, 23:59, true", "20:00-24:00, 00:00, false", "00:00-24:00, 00:00, true",
        "08:00-08:00, 07:59, true"
    })
    void mayGoOverMidnight(String window, String now, boolean asleep) {
        assertThat(contains(at("2026-03-04T" + now), window)).isEqualTo(asleep);
    }

    /// From the second of March, a Monday, on.
    @ParameterizedTest
    @CsvSource({
        "mon-fri 20:00-07:30, 02T07:00, false", "mon-fri 20:00-07:30, 02T20:00, true",
        "mon-fri 20:00-07:30, 07T07:29, true", "mon-fri 20:00-07:30, 07T20:00, false",
        "'sat,sun 00:00-24:00', 06T23:59, false", "'sat,sun 00:00-24:00', 07T00:00, true",
        "'sat,sun 00:00-24:00', 08T23:59, true", "'sat,sun 00:00-24:00', 09T00:00, false",
        "fri-mon 12:00-13:00, 02T12:30, true", "fri-mon 12:00-13:00, 03T12:30, false",
        "fri-mon 12:00-13:00, 06T12:30, true", "sun 08:00-08:00, 02T07:59, true",
        "sun 08:00-08:00, 02T08:00, false", "'Mon-Tue,THU 12:00-13:00', 05T12:00, true"
    })
    void belongsToTheDayOnWhichItBegins(String window, String now, boolean asleep) {
        assertThat(contains(at("2026-03-" + now), window)).isEqualTo(asleep);
    }

    @Test
    void mayHaveSeveralWindows() {
        String[] windows = {"mon-fri 20:00-07:30", "sat,sun 00:00-24:00"};

        assertThat(contains(at("2026-03-06T19:59"), windows)).isFalse();
        for (String asleep : List.of("06T20:00", "07T07:30", "07T12:00", "08T23:59")) {
            assertThat(contains(at("2026-03-" + asleep), windows)).as(asleep).isTrue();
        }
        assertThat(contains(at("2026-03-09T00:00"), windows)).isFalse();
    }

    /// In this night the clock goes from 2 to 3.
    @ParameterizedTest
    @CsvSource({
        "20:00-07:30, 2026-03-28T19:00Z, 2026-03-29T05:30Z", "01:30-02:30, 2026-03-29T00:30Z, 2026-03-29T01:00Z",
        "02:30-05:00, 2026-03-29T01:00Z, 2026-03-29T03:00Z", "03:00-04:00, 2026-03-29T01:00Z, 2026-03-29T02:00Z",
        "02:15-02:45, 2026-03-29T01:00Z, 2026-03-29T01:00Z"
    })
    void lacksTheHourThatTheClockLeavesOut(String window, String begin, String end) {
        assertHolds(window, begin, end);
    }

    /// In this night the clock goes from 3 back to 2.
    @ParameterizedTest
    @CsvSource({
        "20:00-07:30, 2026-10-24T18:00Z, 2026-10-25T06:30Z", "01:00-02:30, 2026-10-24T23:00Z, 2026-10-25T00:30Z",
        "02:30-05:00, 2026-10-25T00:30Z, 2026-10-25T04:00Z", "02:00-03:00, 2026-10-25T00:00Z, 2026-10-25T02:00Z",
        "02:15-02:45, 2026-10-25T00:15Z, 2026-10-25T00:45Z"
    })
    void beginsAndEndsOnceWhereTheClockIsPutBack(String window, String begin, String end) {
        assertHolds(window, begin, end);
    }

    /// Looks each minute, from three hours before to three hours after.
    private static void assertHolds(String window, String begin, String end) {
        Instant over = instant(end).plus(LONG);
        List<Instant> asleep = minutes(instant(begin).minus(LONG), over)
                .filter(minute -> contains(minute.atZone(BERLIN), window))
                .toList();

        assertThat(asleep).isEqualTo(minutes(instant(begin), instant(end)).toList());
    }

    private static Stream<Instant> minutes(Instant begin, Instant end) {
        return Stream.iterate(begin, minute -> minute.isBefore(end), minute -> minute.plusSeconds(60));
    }

    private static Instant instant(String minute) {
        return Instant.parse(minute.replace("Z", ":00Z"));
    }

    @Test
    void takesItsVmWhateverTheGuestDoesButHeedsWhatHoldsForEachSuspend() {
        VmSettings settings =
                settings(new IdlePolicy(600, 10, 20, 300, true), Sleep.parse(EVERY_NIGHT, 0, false), false);

        assertThat(settings.policyAt(NIGHT)).isEqualTo(new IdlePolicy(60, 100, 0, 300, true));
        assertThat(settings.policyAt(NOON)).isEqualTo(settings.idle());
    }

    @Test
    void mayHaveAMinimumTimeAwakeAndAVetoOfItsOwn() {
        VmSettings settings = settings(null, Sleep.parse(EVERY_NIGHT, 900, true), false);

        assertThat(settings.policyAt(NIGHT)).isEqualTo(new IdlePolicy(60, 100, 0, 900, true));
        assertThat(settings.policyAt(NOON)).isNull();
        assertThat(settings.asksGuest()).isTrue();
        assertThat(settings.awakeSeconds()).isEqualTo(900);
    }

    @Test
    void asksNoGuestThatCannotAnswer() {
        VmSettings settings = settings(null, Sleep.parse(EVERY_NIGHT, 0, true), false);

        settings.checkFor(null, List.of(), true);
        assertThatThrownBy(() -> settings.checkFor(null, List.of(), false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "sleep: the guest cannot be asked and would never be suspended, the VM has no channel for its agent; leave out 'askGuest' (--idle-ask-guest), or make the VM with 'vm create --guest-agent'");
    }

    @Test
    void leavesAPinnedVmAlone() {
        assertThat(settings(null, Sleep.parse(EVERY_NIGHT, 0, false), true).policyAt(NIGHT))
                .isNull();
    }

    @Test
    void isReadAsItWasWrittenWhenItWasOneTimeOfTheDay() throws Exception {
        String old = """
                {"fronts": [], "sleep": {"from": "20:00", "to": "07:30", "awakeSeconds": 300, "askGuest": true},
                 "standby": true, "rehearse": false, "priority": "high", "pinned": false}
                """;

        Home home = Home.at(folder, null);
        Files.createDirectories(home.vm("web"));
        Files.writeString(home.vm("web").resolve(VmSettings.FILE), old);

        assertThat(VmSettings.read(home, "web"))
                .isEqualTo(new VmSettings(
                        List.of(), null, Sleep.parse(EVERY_NIGHT, 300, true), true, false, Priority.HIGH, false));
        for (String other :
                List.of("{\"sleep\": {\"windows\": [{\"from\": \"20:00\"}]}}", "{\"from\": 1}", "\"from\"")) {
            assertThat(Sleep.ofToday(other)).isEqualTo(other);
        }
    }

    @Test
    void isWrittenAsItIsRead() {
        VmSettings settings = settings(null, Sleep.parse(List.of("sun-tue 20:00-24:00"), 0, false), false);

        assertThat(Json.parseStrictly(VmSettings.class, Sleep.ofToday(Json.writePretty(settings))))
                .isEqualTo(settings);
        assertThat(Json.write(settings))
                .contains("{\"days\":[\"mon\",\"tue\",\"sun\"],\"from\":\"20:00\",\"to\":\"24:00\"}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "mon-fri 20:00-07:30; mon-fri 20:00-07:30",
                "sat,sun 00:00-24:00; sat,sun 00:00-24:00",
                "fri-mon 1:00-2:00; ",
                "fri-mon 01:00-02:00; mon,fri-sun 01:00-02:00",
                "mon-sun 01:00-02:00; 01:00-02:00",
                "01:00-02:00; 01:00-02:00",
                "mon 01:00-02:00; mon 01:00-02:00"
            })
    void isShownAsItIsTyped(String typed, @Nullable String shown) {
        if (shown == null) {
            assertThatThrownBy(() -> SleepWindow.parse(typed)).isInstanceOf(IllegalArgumentException.class);
        } else {
            assertThat(SleepWindow.parse(typed).text()).isEqualTo(shown);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "20:00",
                "24:00-07:30",
                "20:00-24:30",
                "20:00-07:30-08:00",
                "mon",
                "",
                "may 20:00-07:30",
                "mon- 20:00-07:30",
                "mon,,tue 20:00-07:30",
                "mon-wed-fri 20:00-07:30",
                "mon tue 20:00-07:30",
                "20:00-07:30 mon"
            })
    void refusesWhatIsNoTime(String window) {
        assertThatThrownBy(() -> Sleep.parse(List.of(window), 0, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "sleep '%s': not hours of sleep, use [DAYS] FROM-TO as in 20:00-07:30 or 'mon-fri 20:00-07:30' or 'sat,sun 00:00-24:00'"
                                .formatted(window));
    }

    @Test
    void refusesWhatIsOutOfBounds() {
        assertThatThrownBy(() -> Sleep.parse(EVERY_NIGHT, -1, false))
                .hasMessage("sleep: 'awakeSeconds' is -1, 0 to 31536000 are allowed");
        assertThatThrownBy(() -> Sleep.parse(Collections.nCopies(51, "20:00-07:30"), 0, false))
                .hasMessage("sleep: 'windows' has 51, 1 to 50 are allowed");
        assertThatThrownBy(() -> new Sleep(List.of(), 0, false).check())
                .hasMessage("sleep: 'windows' has 0, 1 to 50 are allowed");
        assertThatThrownBy(() -> new SleepWindow(List.of(Weekday.MON), "20:00", "").check())
                .hasMessageStartingWith("sleep 'mon 20:00-': not hours of sleep, use [DAYS] FROM-TO");
    }

    private static VmSettings settings(@Nullable IdlePolicy idle, Sleep sleep, boolean pinned) {
        return new VmSettings(List.of(), idle, sleep, false, false, Priority.NORMAL, pinned);
    }

    private static ZonedDateTime at(String time) {
        return LocalDateTime.parse(time).atZone(ZoneOffset.UTC);
    }

    private static boolean contains(ZonedDateTime now, String... windows) {
        return Sleep.parse(List.of(windows), 0, false).contains(now);
    }
}
