package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RateLimitTest {
    private final AtomicLong nanos = new AtomicLong();
    private final RateLimit limit = new RateLimit(2, 4, nanos::get);

    @Test
    void letsABurstThroughAndThenSoManyASecond() {
        for (int i = 0; i < 4; i++) {
            assertThat(limit.take("a")).isZero();
        }
        assertThat(limit.take("a")).isEqualTo(1);
        assertThat(limit.take("b")).as("another one").isZero();

        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(500));

        assertThat(limit.take("a")).isZero();
        assertThat(limit.take("a")).isEqualTo(1);
    }

    @Test
    void remembersABoundedNumber() {
        for (int i = 0; i < 5; i++) {
            limit.take("first");
        }
        assertThat(limit.take("first")).isEqualTo(1);

        for (int i = 0; i < 20_000; i++) {
            limit.take("peer" + i);
        }

        assertThat(limit.take("first")).isZero();
    }
}
