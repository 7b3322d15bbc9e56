package dev.dormouse.daemon;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// `/v1/events`: what happens, as server-sent events. The thread of the request stays with its client; one that is gone
/// or too slow is found out when it is written to.
final class EventRoutes {
    private static final Pattern ID = Pattern.compile("[0-9]{1,18}");
    private static final Duration SILENCE_MAX = Duration.ofSeconds(10);

    private static final int WATCHERS_MAX = 200;
    private static final int RETRY_SECONDS = 30;

    private final Events events;
    private final Gate gate;
    private final ClientLimit watchers = new ClientLimit(WATCHERS_MAX);
    private volatile boolean closed;

    EventRoutes(Events events, Gate gate) {
        this.events = events;
        this.gate = gate;
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/events", this::stream, Access.VIEWER);
    }

    private void stream(Context request) throws IOException {
        Requests.allowQuery(request, "vm", "operation", "after");
        if (!watchers.enter()) {
            request.header("Retry-After", Integer.toString(RETRY_SECONDS));
            throw new ApiException(
                    Problem.Kind.TOO_MANY,
                    "events: %d watch already, which is all that may; try again later".formatted(watchers.max()));
        }
        try {
            serve(request);
        } finally {
            watchers.leave();
        }
    }

    private void serve(Context request) throws IOException {
        String vm = request.queryParam("vm");
        String operation = request.queryParam("operation");
        Caller caller = Caller.of(request);
        try (var subscription = events.subscribe(
                lastId(request),
                event -> (event.vm() == null || caller.sees(event.vm()))
                        && (vm == null || event.vm() == null || event.vm().equals(vm))
                        && (operation == null
                                || event.operation() == null
                                || event.operation().equals(operation)))) {
            request.res().setContentType("text/event-stream");
            request.header("Cache-Control", "no-store");
            send(subscription, caller, request.res().getOutputStream());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // The server is being stopped.
        }
    }

    private static @Nullable Long lastId(Context request) throws ApiException {
        String header = request.header("Last-Event-ID");
        String text = header == null ? request.queryParam("after") : header;
        if (text == null) {
            return null;
        }
        if (!ID.matcher(text).matches()) {
            throw new ApiException(Problem.Kind.INVALID, "Last-Event-ID '%s': not the id of an event".formatted(text));
        }
        return Long.valueOf(text);
    }

    /// A comment at the start shows the client that it is connected, and one in a long silence that it still is.
    private void send(Events.Subscription subscription, Caller caller, OutputStream out)
            throws IOException, InterruptedException {
        write(out, ": dormouse\n\n");
        while (!subscription.isTooSlow() && !closed) {
            Event event = subscription.poll(SILENCE_MAX);
            if (!gate.mayStay(caller)) {
                return;
            }
            write(
                    out,
                    event == null
                            ? ":\n\n"
                            : "id: %d\nevent: %s\ndata: %s\n\n".formatted(event.id(), event.type(), event.json()));
        }
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    /// Ends the streams, with an event that says why.
    void close() {
        closed = true;
        events.publish("closing", null, null, Map.of());
    }
}
