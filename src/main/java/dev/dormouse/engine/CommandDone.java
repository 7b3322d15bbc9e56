package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A suspend, checkpoint or resume that a command did without the daemon, and that went well.
///
/// @param time when it ended, ISO 8601
/// @param kind `suspend`, `checkpoint` or `resume`
/// @param captured what a suspend or checkpoint came to
/// @param restored what a resume came to
/// @param carriedOn of a resume: whether it carried on with a restore that another process had begun
@Json
public record CommandDone(
        String time,
        String kind,
        @Nullable SuspendResult captured,
        @Nullable ResumeResult restored,
        boolean carriedOn) {
    private static final Set<String> CAPTURES = Set.of("suspend", "checkpoint");

    /// {@return whether it has all that it must have} One that was read may lack anything, whatever its type says.
    boolean isWhole() {
        return isTime(time)
                && kind != null
                && (CAPTURES.contains(kind) || kind.equals("resume"))
                && (restored == null || restored.report() != null);
    }

    private static boolean isTime(@Nullable String text) {
        try {
            return text != null && Instant.parse(text).toEpochMilli() >= 0;
        } catch (DateTimeException | ArithmeticException _) {
            return false;
        }
    }

    static CommandDone suspend(SuspendResult result) {
        return new CommandDone(Vm.now(), "suspend", result, null, false);
    }

    static CommandDone checkpoint(SuspendResult result) {
        return new CommandDone(Vm.now(), "checkpoint", result, null, false);
    }

    static CommandDone resume(ResumeResult result, boolean carriedOn) {
        return new CommandDone(Vm.now(), "resume", null, result, carriedOn);
    }
}
