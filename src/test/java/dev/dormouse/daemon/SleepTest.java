package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.LocalTime;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SleepTest {
    @ParameterizedTest
    @CsvSource({
        "20:00-07:30, 19:59, false", "20:00-07:30, 20:00, true", "20:00-07:30, 23:59, true",
        "20:00-07:30, 07:29, true", "20:00-07:30, 07:30, false", "12:00-13:00, 12:30, true",
        "12:00-13:00, 13:00, false", "12:00-13:00, 11:59, false", "00:00-00:00, 05:00, true"
    })
    void mayGoOverMidnight(String sleep, String now, boolean asleep) {
        assertThat(Sleep.parse(sleep).contains(LocalTime.parse(now))).isEqualTo(asleep);
    }

    @Test
    void refusesWhatIsNoTime() {
        assertThatThrownBy(() -> Sleep.parse("20:00-24:00"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("sleep '20:00-24:00': not two times of day, use FROM-TO as in 20:00-07:30");
        assertThatThrownBy(() -> Sleep.parse("20:00")).isInstanceOf(IllegalArgumentException.class);
    }
}
