package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.catalog.HistoryItem;
import dev.dormouse.engine.CommandDone;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.engine.SuspendResult;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Makes items of the history of what operations and commands came to. Stateless; any thread.
final class HistoryItems {
    private HistoryItems() {}

    /// @param memoryBytes of the VM, if it is still there
    static HistoryItem of(String vm, CommandDone done, @Nullable Long memoryBytes) {
        SuspendResult captured = done.captured();
        ResumeResult restored = done.restored();
        Object result = captured == null ? restored : captured;
        Map<String, Object> figures = result == null ? Map.of() : Json.parseObject(Json.write(result));
        boolean ranBefore = restored == null || done.carriedOn();
        return item(
                vm,
                done.time(),
                done.kind(),
                memoryBytes,
                figures,
                new Told(
                        "succeeded",
                        "command",
                        null,
                        null,
                        number(figures, captured == null ? "mergedMillis" : "totalMillis"),
                        ranBefore ? null : number(figures, "runningMillis"),
                        restored == null ? null : restored.report().responsiveMillisEstimate()));
    }

    /// @param memoryBytes of the VM, if it is still there
    static HistoryItem of(OperationView operation, @Nullable Long memoryBytes) {
        String ended = String.valueOf(operation.ended());
        Problem error = operation.error();
        boolean cutOff = error != null && error.isOf(Problem.Kind.INTERRUPTED); // Nobody knows when.
        return item(
                operation.vm(),
                ended,
                operation.kind(),
                memoryBytes,
                operation.result() == null ? Map.of() : operation.result(),
                new Told(
                        operation.state(),
                        "daemon",
                        operation.id(),
                        error == null ? null : error.detail(),
                        cutOff
                                ? null
                                : (Long) millisBetween(
                                        operation.started() == null ? operation.created() : operation.started(), ended),
                        operation.guestRunsMillis(),
                        operation.responsiveMillisEstimate()));
    }

    /// What is known of something that was done beside its figures.
    private record Told(
            String outcome,
            String source,
            @Nullable String operation,
            @Nullable String error,
            @Nullable Long durationMillis,
            @Nullable Long guestRunsMillis,
            @Nullable Long responsiveMillisEstimate) {}

    /// @param result with the figures of the command's `--json`
    private static HistoryItem item(
            String vm, String time, String kind, @Nullable Long memoryBytes, Map<String, Object> result, Told told) {
        Map<?, ?> report = result.get("report") instanceof Map<?, ?> map ? map : Map.of();
        boolean resumed = kind.equals("resume");
        return new HistoryItem(
                0,
                vm,
                time,
                kind,
                told.outcome(),
                told.source(),
                told.operation(),
                told.error(),
                result.get("image") instanceof String image ? image : null,
                told.durationMillis(),
                told.guestRunsMillis(),
                told.responsiveMillisEstimate(),
                number(result, "pausedMillis"),
                number(result, "imageBytes"),
                resumed ? memoryBytes : number(result, "memoryBytes"),
                resumed ? bytes(number(report, "nonZeroPages")) : number(result, "nonZeroBytes"),
                number(resumed ? report : result, "storedBytes"),
                number(resumed ? report : result, "duplicateBytes"),
                number(resumed ? report : result, "onDiskBytes"),
                number(report, "demandedPages"),
                number(report, "prefetchedPages"),
                number(report, "demandMicrosP50"),
                number(report, "demandMicrosP99"));
    }

    private static @Nullable Long number(Map<?, ?> figures, String name) {
        return figures.get(name) instanceof Number number ? number.longValue() : null;
    }

    private static @Nullable Long bytes(@Nullable Long pages) {
        return pages == null ? null : pages * RamBlock.TARGET_PAGE_BYTES;
    }

    private static long millisBetween(String begin, String end) {
        return Math.max(
                0, Duration.between(Instant.parse(begin), Instant.parse(end)).toMillis());
    }
}
