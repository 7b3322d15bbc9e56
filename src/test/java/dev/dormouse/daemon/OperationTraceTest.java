package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.restore.RestoreReport;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// A resume as a trace, and from when it counts that its guest is responsive.
class OperationTraceTest {
    private static final String EVENT = "the guest is responsive (estimate from outside)";

    /// The engine is called some time after the resume has begun, because room for the VM is made first.
    private static Operation resume(@Nullable Long responsiveMillis) throws Exception {
        var operation = new Operation("op-1", Operation.Kind.RESUME, "web", new Events(), _ -> {});
        operation.begun();
        operation.running();
        RestoreReport report = RestoreReport.NOTHING.withResponsiveMillisEstimate(responsiveMillis);
        operation.succeeded(new ResumeResult(0, 100, 900, 950, 0, 0, 0, 0, report));
        return operation;
    }

    @Test
    void countsFromTheBeginOfTheResumeAsTheGuestsRunDoes() throws Exception {
        OperationView view = resume(480L).view();

        assertThat(view.responsiveMillisEstimate()).isEqualTo(view.guestRunsMillis() + 380);
    }

    @Test
    void hasTheInstantAsAnEvent() throws Exception {
        Operation operation = resume(480L);
        OperationView view = operation.view();
        long nanos = Instant.parse(view.started())
                        .plusMillis(view.responsiveMillisEstimate())
                        .toEpochMilli()
                * 1_000_000;

        assertThat(Json.write(operation.trace())).contains("\"name\":\"" + EVENT, "\"timeUnixNano\":\"" + nanos);
    }

    @Test
    void hasNoneWhereItIsNotKnown() throws Exception {
        Operation operation = resume(null);

        assertThat(operation.view().responsiveMillisEstimate()).isNull();
        assertThat(Json.write(operation.trace())).doesNotContain(EVENT);
    }
}
