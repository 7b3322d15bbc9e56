package dev.dormouse.daemon;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// An operation as a trace of OpenTelemetry, in the JSON of its protocol (OTLP): what an `otlphttp` receiver
/// takes at `/v1/traces`. The whole of it is one span; the phases of a resume are spans below that, and what it
/// said it was doing are events; so is the instant from which its guest hardly waited for pages, which is an
/// estimate.
final class OperationTrace {
    private static final int SPAN_KIND_INTERNAL = 1;
    private static final int STATUS_OK = 1;
    private static final int STATUS_ERROR = 2;
    private static final List<String> FIGURES = List.of(
            "nonZeroPages",
            "demandedPages",
            "demandedZeroPages",
            "prefetchedPages",
            "demandMicrosP50",
            "demandMicrosP99");

    /// What an operation said at some moment.
    record Mark(String time, String what) {}

    private final OperationView view;
    private final String traceId;
    private final List<Map<String, Object>> spans = new ArrayList<>();

    private OperationTrace(OperationView view) {
        this.view = view;
        UUID uuid = UUID.nameUUIDFromBytes(view.id().getBytes(StandardCharsets.UTF_8));
        traceId = HexFormat.of().toHexDigits(uuid.getMostSignificantBits())
                + HexFormat.of().toHexDigits(uuid.getLeastSignificantBits());
    }

    /// {@return the trace; of one that has not ended as far as it has come}
    static Map<String, Object> of(OperationView view, List<Mark> marks) {
        return new OperationTrace(view).build(marks);
    }

    private Map<String, Object> build(List<Mark> marks) {
        String now = view.ended() == null ? Operation.now() : view.ended();
        Map<String, Object> root = span("%s %s".formatted(view.kind(), view.vm()), null, view.created(), nanos(now));
        root.put("attributes", attributes());
        root.put("events", events(marks));
        if (view.ended() != null) {
            root.put("status", status());
        }
        if (view.started() != null) {
            String parent = String.valueOf(root.get("spanId"));
            span("queued", parent, view.created(), nanos(view.started()));
            if (view.guestRunsMillis() != null) {
                long ran = nanos(view.started()) + TimeUnit.MILLISECONDS.toNanos(view.guestRunsMillis());
                span("until the guest runs", parent, view.started(), ran);
                spans.add(phase("until all memory is there and disks are merged", parent, ran, nanos(now)));
            }
        }
        var service = Map.of("attributes", List.of(attribute("service.name", "dormouse")));
        var scope = Map.of("scope", Map.of("name", "dev.dormouse.daemon"), "spans", spans);
        return Map.of("resourceSpans", List.of(Map.of("resource", service, "scopeSpans", List.of(scope))));
    }

    private Map<String, Object> span(String name, @Nullable String parent, String begin, long endNanos) {
        Map<String, Object> span = phase(name, parent, nanos(begin), endNanos);
        spans.add(span);
        return span;
    }

    private Map<String, Object> phase(String name, @Nullable String parent, long beginNanos, long endNanos) {
        var span = new LinkedHashMap<String, Object>();
        span.put("traceId", traceId);
        span.put("spanId", HexFormat.of().toHexDigits(spans.size() + 1L));
        if (parent != null) {
            span.put("parentSpanId", parent);
        }
        span.put("name", name);
        span.put("kind", SPAN_KIND_INTERNAL);
        span.put("startTimeUnixNano", Long.toString(beginNanos));
        span.put("endTimeUnixNano", Long.toString(Math.max(beginNanos, endNanos)));
        return span;
    }

    private List<Map<String, Object>> attributes() {
        var attributes = new ArrayList<Map<String, Object>>();
        attributes.add(attribute("dormouse.vm", view.vm()));
        attributes.add(attribute("dormouse.operation", view.id()));
        if (view.result() != null && view.result().get("report") instanceof Map<?, ?> report) {
            for (String figure : FIGURES) {
                if (report.get(figure) instanceof Number number) {
                    attributes.add(Map.of(
                            "key",
                            "dormouse." + figure,
                            "value",
                            Map.of("intValue", Long.toString(number.longValue()))));
                }
            }
        }
        return attributes;
    }

    private Map<String, Object> status() {
        Problem error = view.error();
        return error == null ? Map.of("code", STATUS_OK) : Map.of("code", STATUS_ERROR, "message", error.detail());
    }

    private List<Map<String, Object>> events(List<Mark> marks) {
        var events = new ArrayList<Map<String, Object>>();
        marks.forEach(mark -> events.add(event(nanos(mark.time()), mark.what())));
        if (view.started() != null && view.responsiveMillisEstimate() != null) {
            long responsive = TimeUnit.MILLISECONDS.toNanos(view.responsiveMillisEstimate());
            events.add(event(nanos(view.started()) + responsive, "the guest is responsive (estimate from outside)"));
        }
        return events;
    }

    private static Map<String, Object> event(long nanos, String name) {
        return Map.of("timeUnixNano", Long.toString(nanos), "name", name);
    }

    private static Map<String, Object> attribute(String key, String value) {
        return Map.of("key", key, "value", Map.of("stringValue", value));
    }

    private static long nanos(String time) {
        return TimeUnit.MILLISECONDS.toNanos(Instant.parse(time).toEpochMilli());
    }
}
