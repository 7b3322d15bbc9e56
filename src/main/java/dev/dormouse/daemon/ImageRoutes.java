package dev.dormouse.daemon;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.ImageMetadata;
import dev.dormouse.engine.Images;
import dev.dormouse.engine.NotFoundException;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The resources under `/v1/images`.
final class ImageRoutes {
    private final Engine engine;
    private final Vms vms;

    ImageRoutes(Engine engine, Vms vms) {
        this.engine = engine;
        this.vms = vms;
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/images", this::list, Access.HOST_VIEWER);
        routes.get("/v1/images/{id}", this::show, Access.HOST_VIEWER);
        routes.delete("/v1/images/{id}", this::remove, Access.HOST_ADMIN);
        routes.post("/v1/images/{id}/restore", this::restore, Access.HOST_ADMIN);
    }

    private void list(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after");
        int limit = Requests.limit(request);
        List<String> ids = Requests.after(request, engine.images().ids(), id -> id);
        Map<String, List<String>> users = engine.images().users();
        var items = new ArrayList<ImageView>();
        for (String id : ids.subList(0, Math.min(limit, ids.size()))) {
            try {
                items.add(view(id, users.getOrDefault(id, List.of())));
            } catch (NotFoundException | NoSuchFileException _) {
                // It went while we looked.
            }
        }
        Requests.answer(request, 200, new ImageView.Page(items, ids.size() > limit ? ids.get(limit - 1) : null));
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        String id = id(request);
        Requests.answer(request, 200, view(id, engine.images().users(id)));
    }

    private ImageView view(String id, List<String> users) throws IOException {
        Images images = engine.images();
        Path file = images.find(id);
        long bytes = Files.size(file);
        try {
            ImageMetadata metadata = images.metadata(file);
            return new ImageView(
                    id,
                    bytes,
                    users,
                    null,
                    metadata.vm(),
                    metadata.created(),
                    metadata.config().memoryBytes(),
                    metadata.qemuVersion());
        } catch (NoSuchFileException e) {
            throw e;
        } catch (IOException e) {
            return new ImageView(id, bytes, users, ErrorText.of(e), null, null, null, null);
        }
    }

    private void remove(Context request) throws IOException {
        Requests.allowQuery(request);
        engine.images().remove(id(request));
        request.status(204);
    }

    private void restore(Context request) throws IOException {
        Requests.allowQuery(request);
        var body = Requests.body(request, Bodies.Restore.class, new Bodies.Restore(null));
        if (body.name() == null) {
            throw new ApiException(Problem.Kind.INVALID, "body: 'name' is missing, it names the new VM");
        }
        engine.restoreAs(id(request), body.name());
        request.header("Location", "/v1/vms/" + body.name());
        Requests.answer(request, 201, vms.view(body.name()));
    }

    /// {@return the id in the path: that of a published image of this home, never the path of a file}
    ///
    /// @throws ApiException if there is none
    private String id(Context request) throws IOException {
        String id = request.pathParam("id");
        if (!engine.images().ids().contains(id)) {
            throw new ApiException(Problem.Kind.NOT_FOUND, "image %s: no such image".formatted(id));
        }
        return id;
    }
}
