package dev.dormouse.daemon;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmStatus;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.Unit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/// What Prometheus reads at `/metrics`. Counted from the start of the daemon, of what the daemon did. Any thread.
final class Metrics {
    private static final PrometheusTextFormatWriter WRITER = PrometheusTextFormatWriter.create();
    private static final double[] SECONDS = {0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60};
    private static final double[] BYTES = {1e6, 4e6, 16e6, 64e6, 128e6, 256e6, 512e6, 1e9, 4e9, 16e9};

    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final Counter operations = Counter.builder()
            .name("dormouse_operations_total")
            .help("Operations that have ended, by kind and state.")
            .labelNames("kind", "state")
            .register(registry);
    private final Histogram guestRuns =
            seconds("dormouse_resume_guest_runs_seconds", "From the begin of a resume until the guest ran.", SECONDS);
    private final Histogram complete = seconds(
            "dormouse_resume_complete_seconds",
            "From the begin of a resume until all of the memory was there.",
            SECONDS);
    private final Histogram responsive = seconds(
            "dormouse_resume_time_to_responsiveness_seconds",
            "From the begin of a resume until the guest hardly waited for pages any more: estimated from outside of it.",
            SECONDS);
    private final DemandLatencies demand = new DemandLatencies();
    private final Counter pages = Counter.builder()
            .name("dormouse_resume_pages_total")
            .help("Non-zero pages placed by resumes: demanded by the guest, or prefetched.")
            .labelNames("reason")
            .register(registry);
    private final Histogram paused = seconds(
            "dormouse_capture_paused_seconds", "For how long a suspend or checkpoint stopped the guest.", SECONDS);
    private final Histogram imageBytes =
            bytes("dormouse_image_bytes", "Size of the images that suspends and checkpoints made.");
    private final Histogram imageMemory = bytes(
            "dormouse_image_memory_bytes",
            "Memory in each image that suspends and checkpoints made, by class: zero, stored, duplicate, on disk.",
            "class");
    private final Histogram givenBack =
            bytes("dormouse_suspend_given_back_bytes", "Memory of the VM that each suspend gave back to the host.");
    private final Histogram firstBytes = seconds(
            "dormouse_client_first_bytes_seconds",
            "From when a client came to a front until the first bytes of its VM were there, a wake included.",
            SECONDS);

    Metrics(Engine engine, Activity activity) {
        registry.register(demand);
        GaugeWithCallback.builder()
                .name("dormouse_vms")
                .help("VMs by state.")
                .labelNames("state")
                .callback(gauge -> perState(engine, _ -> 1).forEach((state, count) -> gauge.call(count, state)))
                .register(registry);
        GaugeWithCallback.builder()
                .name("dormouse_vm_memory_bytes")
                .help("Memory of the VMs by state; that of suspended ones was given back to the host.")
                .unit(Unit.BYTES)
                .labelNames("state")
                .callback(gauge ->
                        perState(engine, VmStatus::memoryBytes).forEach((state, bytes) -> gauge.call(bytes, state)))
                .register(registry);
        GaugeWithCallback.builder()
                .name("dormouse_front_clients")
                .help("Clients that are connected to fronts.")
                .callback(gauge -> gauge.call(activity.clients()))
                .register(registry);
    }

    private Histogram seconds(String name, String help, double[] bounds) {
        return Histogram.builder()
                .name(name)
                .help(help)
                .unit(Unit.SECONDS)
                .classicOnly()
                .classicUpperBounds(bounds)
                .register(registry);
    }

    private Histogram bytes(String name, String help, String... labels) {
        return Histogram.builder()
                .name(name)
                .help(help)
                .unit(Unit.BYTES)
                .labelNames(labels)
                .classicOnly()
                .classicUpperBounds(BYTES)
                .register(registry);
    }

    private static Map<String, Long> perState(Engine engine, ToLongFunction<VmStatus> figure) {
        var sums = new TreeMap<String, Long>();
        try {
            for (String name : engine.names()) {
                add(sums, engine, name, figure);
            }
        } catch (IOException _) {
            // Without the home there is nothing to tell.
        }
        return sums;
    }

    private static void add(Map<String, Long> sums, Engine engine, String name, ToLongFunction<VmStatus> figure) {
        try {
            VmStatus vm = engine.status(name);
            sums.merge(vm.state(), figure.applyAsLong(vm), Long::sum);
        } catch (IOException _) {
            sums.merge("unreadable", 0L, Long::sum); // Or gone since; the list of VMs says why.
        }
    }

    /// Counts an operation that has ended.
    void count(OperationView operation) {
        operations.labelValues(operation.kind(), operation.state()).inc();
        Map<String, Object> result = operation.result();
        if (result == null) {
            return;
        }
        if (operation.kind().equals("resume")) {
            observeMillis(guestRuns, operation.guestRunsMillis());
            observeMillis(responsive, operation.responsiveMillisEstimate());
            observeMillis(complete, result.get("completeMillis"));
            pages.labelValues("demanded").inc(number(result.get("pagesOnDemand")));
            pages.labelValues("prefetched").inc(number(result.get("pagesPrefetched")));
            if (result.get("report") instanceof Map<?, ?> report) {
                demand.count(report);
            }
        } else if (result.containsKey("imageBytes")) {
            observeMillis(paused, result.get("pausedMillis"));
            imageBytes.observe(number(result.get("imageBytes")));
            double memory = number(result.get("memoryBytes"));
            imageMemory.labelValues("zero").observe(memory - number(result.get("nonZeroBytes")));
            imageMemory.labelValues("stored").observe(number(result.get("storedBytes")));
            imageMemory.labelValues("duplicate").observe(number(result.get("duplicateBytes")));
            imageMemory.labelValues("on disk").observe(number(result.get("onDiskBytes")));
            if (operation.kind().equals("suspend")) {
                givenBack.observe(memory);
            }
        }
    }

    /// Counts a client that has gone.
    void count(Visit visit) {
        observeMillis(firstBytes, visit.firstBytesMillis());
    }

    private static void observeMillis(Histogram histogram, @Nullable Object millis) {
        if (millis instanceof Number number) {
            histogram.observe(number.doubleValue() / 1000);
        }
    }

    private static double number(@Nullable Object value) {
        return value instanceof Number number ? number.doubleValue() : 0;
    }

    /// {@return the names of all figures, without what their kinds add}
    List<String> names() {
        return registry.scrape().stream()
                .map(snapshot -> snapshot.getMetadata().getPrometheusName())
                .toList();
    }

    void add(RoutesConfig routes) {
        routes.get("/metrics", this::show, Access.HOST_VIEWER);
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        request.contentType(WRITER.getContentType()).result(text());
    }

    /// {@return all figures in Prometheus' text format}
    byte[] text() throws IOException {
        var text = new ByteArrayOutputStream();
        WRITER.write(text, registry.scrape());
        return text.toByteArray();
    }
}
