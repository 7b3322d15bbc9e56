package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HostBudgetTest {
    @Test
    void aGuestYieldsForAWhileToTheDemandOfAnotherOneAndNotToItsOwn() {
        var budget = new HostBudget(Runnable::run, Runnable::run, Runnable::run);
        assertThat(budget.isDemandedElsewhere(1000, 100, "a")).isFalse();

        budget.onDemand(1000, "b");

        assertThat(budget.isDemandedElsewhere(1099, 100, "a")).isTrue();
        assertThat(budget.isDemandedElsewhere(1100, 100, "a")).isFalse();
        assertThat(budget.isDemandedElsewhere(1099, 100, "b")).isFalse();
    }

    @Test
    void restoresTakeTurnsWithinTheLimitOfTheirBackground() {
        var budget = new HostBudget(Runnable::run, Runnable::run, Runnable::run);
        assertThat(budget.onBackground(1 << 20, 1000)).as("no limit").isEqualTo(1000);

        budget.limitBackground(1_000_000);

        assertThat(budget.onBackground(1000, 5_000_000)).isEqualTo(6_000_000);
        assertThat(budget.onBackground(1000, 5_000_000)).as("another one").isEqualTo(7_000_000);
        assertThat(budget.onBackground(1000, 9_000_000))
                .as("nothing is saved up")
                .isEqualTo(10_000_000);
    }
}
