package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// `/v1/vms/{name}/pages`: what happens to the memory of a VM in its restores, as server-sent events. Apart from
/// `/v1/events`, whose watchers need not know each page. The thread of a watcher looks at the map ten times a second; a
/// restore does nothing for it.
final class PageMapRoutes implements AutoCloseable {
    private static final long LOOK_MILLIS = 100;
    private static final int WATCHERS_MAX = 200;
    private static final int SILENT_LOOKS_MAX = 100;

    private final Engine engine;
    private final PageMaps maps;
    private final Gate gate;
    private final ClientLimit watchers = new ClientLimit(WATCHERS_MAX);
    private volatile boolean closed;

    PageMapRoutes(Engine engine, PageMaps maps, Gate gate) {
        this.engine = engine;
        this.maps = maps;
        this.gate = gate;
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/vms/{name}/pages", this::stream, Access.VIEWER);
    }

    private void stream(Context request) throws IOException {
        Requests.allowQuery(request);
        String vm = request.pathParam("name");
        engine.status(vm); // Refuses a VM that does not exist.
        if (!watchers.enter()) {
            throw new ApiException(
                    Problem.Kind.TOO_MANY,
                    "pages: %d watch already, which is all that may; try again later".formatted(watchers.max()));
        }
        request.res().setContentType("text/event-stream");
        request.header("Cache-Control", "no-store");
        try {
            send(vm, Caller.of(request), request.res().getOutputStream());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // The server is being stopped.
        } finally {
            watchers.leave();
        }
    }

    private void send(String vm, Caller caller, OutputStream out) throws IOException, InterruptedException {
        PageMapView view = null;
        int silentLooks = SILENT_LOOKS_MAX; // The first comment comes at once.
        boolean ended = true;
        while (!closed && gate.mayStay(caller)) {
            PageMaps.Entry entry = maps.find(vm);
            if (entry != null && (view == null || !view.entry().equals(entry))) {
                view = new PageMapView(entry);
                ended = false;
                write(out, "map", view.begin());
                silentLooks = 0;
            }
            if (view != null && !ended) {
                ended = view.entry().pages().isComplete(); // Asked first: nothing may come between.
                silentLooks = sendChange(view, ended, out) ? 0 : silentLooks;
            }
            if (silentLooks++ >= SILENT_LOOKS_MAX) { // Also of a restore that is quiet: the client may be gone.
                silentLooks = 0;
                write(out, ":\n\n");
            }
            TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
        }
    }

    /// {@return whether there was anything to send}
    ///
    /// @param last whether it is the last one
    private static boolean sendChange(PageMapView view, boolean last, OutputStream out) throws IOException {
        PageMapView.@Nullable Change change = view.change();
        if (change != null) {
            write(out, "cells", change);
        }
        if (last) {
            write(out, "end", view.end());
        }
        return last || change != null;
    }

    private static void write(OutputStream out, String type, Object data) throws IOException {
        write(out, "event: %s\ndata: %s\n\n".formatted(type, Json.write(data)));
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    /// Ends the streams.
    @Override
    public void close() {
        closed = true;
    }
}
