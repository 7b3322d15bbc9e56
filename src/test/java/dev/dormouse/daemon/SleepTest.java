package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.LocalTime;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SleepTest {
    private static final LocalTime NIGHT = LocalTime.of(23, 0);
    private static final LocalTime NOON = LocalTime.of(12, 0);

    @ParameterizedTest
    @CsvSource({
        "20:00-07:30, 19:59, false", "20:00-07:30, 20:00, true", "20:00-07:30, 23:59, true",
        "20:00-07:30, 07:29, true", "20:00-07:30, 07:30, false", "12:00-13:00, 12:30, true",
        "12:00-13:00, 13:00, false", "12:00-13:00, 11:59, false", "00:00-00:00, 05:00, true"
    })
    void mayGoOverMidnight(String sleep, String now, boolean asleep) {
        assertThat(Sleep.parse(sleep, 0, false).contains(LocalTime.parse(now))).isEqualTo(asleep);
    }

    @Test
    void takesItsVmWhateverTheGuestDoesButHeedsWhatHoldsForEachSuspend() {
        VmSettings settings =
                settings(new IdlePolicy(600, 10, 20, 300, true), new Sleep("20:00", "07:30", 0, false), false);

        assertThat(settings.policyAt(NIGHT)).isEqualTo(new IdlePolicy(60, 100, 0, 300, true));
        assertThat(settings.policyAt(NOON)).isEqualTo(settings.idle());
    }

    @Test
    void mayHaveAMinimumTimeAwakeAndAVetoOfItsOwn() {
        VmSettings settings = settings(null, new Sleep("20:00", "07:30", 900, true), false);

        assertThat(settings.policyAt(NIGHT)).isEqualTo(new IdlePolicy(60, 100, 0, 900, true));
        assertThat(settings.policyAt(NOON)).isNull();
        assertThat(settings.asksGuest()).isTrue();
        assertThat(settings.awakeSeconds()).isEqualTo(900);
    }

    @Test
    void leavesAPinnedVmAlone() {
        assertThat(settings(null, new Sleep("20:00", "07:30", 0, false), true).policyAt(NIGHT))
                .isNull();
    }

    private static VmSettings settings(@Nullable IdlePolicy idle, Sleep sleep, boolean pinned) {
        return new VmSettings(List.of(), idle, sleep, false, false, Priority.NORMAL, pinned);
    }

    @Test
    void refusesWhatIsNoTime() {
        assertThatThrownBy(() -> Sleep.parse("20:00-24:00", 0, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("sleep '20:00-24:00': not two times of day, use FROM-TO as in 20:00-07:30");
        assertThatThrownBy(() -> Sleep.parse("20:00-07:30", -1, false))
                .hasMessage("sleep: 'awakeSeconds' is -1, 0 to 31536000 are allowed");
        assertThatThrownBy(() -> Sleep.parse("20:00", 0, false)).isInstanceOf(IllegalArgumentException.class);
    }
}
