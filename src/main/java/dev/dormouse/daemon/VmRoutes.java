package dev.dormouse.daemon;

import dev.dormouse.base.Parallel;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.restore.BackgroundOptions;
import dev.dormouse.restore.RestoreOptions;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The resources under `/v1/vms`.
final class VmRoutes {
    private static final int STOP_SECONDS = 60;
    private static final int STOP_SECONDS_MAX = 86_400;

    private final Engine engine;
    private final Vms vms;
    private final Watch watch;

    VmRoutes(Engine engine, Vms vms, Watch watch) {
        this.engine = engine;
        this.vms = vms;
        this.watch = watch;
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/vms", this::list, Access.VIEWER);
        routes.post("/v1/vms", this::create, Access.HOST_ADMIN);
        routes.get("/v1/vms/{name}", this::show, Access.VIEWER);
        routes.delete("/v1/vms/{name}", this::remove, Access.ADMIN);
        routes.get("/v1/vms/{name}/settings", this::showSettings, Access.VIEWER);
        routes.put("/v1/vms/{name}/settings", this::changeSettings, Access.ADMIN);
        routes.post("/v1/vms/{name}/start", this::start, Access.OPERATOR);
        routes.post("/v1/vms/{name}/stop", this::stop, Access.OPERATOR);
        routes.post("/v1/vms/{name}/suspend", this::suspend, Access.OPERATOR);
        routes.post("/v1/vms/{name}/resume", this::resume, Access.OPERATOR);
        routes.post("/v1/vms/{name}/checkpoint", this::checkpoint, Access.OPERATOR);
    }

    private void list(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after");
        int limit = Requests.limit(request);
        List<String> names = Requests.after(
                request,
                engine.names().stream().filter(Caller.of(request)::sees).toList(),
                name -> name);
        List<String> listed = names.subList(0, Math.min(limit, names.size()));
        List<VmView> items = Parallel.map(listed, vms::viewOfAny).stream() // A QEMU may be slow to answer.
                .flatMap(Optional::stream)
                .toList();
        Requests.answer(request, 200, new VmView.Page(items, names.size() > limit ? names.get(limit - 1) : null));
    }

    /// For the owner only: a VM names files of the host, which it reads and writes, and may have any argument of QEMU.
    private void create(Context request) throws IOException {
        Requests.allowQuery(request);
        if (!Caller.OWNER.equals(Caller.of(request))) {
            throw new ApiException(
                    Problem.Kind.FORBIDDEN,
                    "a VM names files of the host, so only the owner of the home makes one, at the unix socket");
        }
        var body = Requests.body(request, VmRequest.class, VmRequest.named(""));
        if (body.name() == null || body.name().isEmpty()) {
            throw new ApiException(Problem.Kind.INVALID, "body: 'name' is missing, it names the new VM");
        }
        String name = engine.create(body).name();
        request.header("Location", "/v1/vms/" + name);
        Requests.answer(request, 201, vms.view(name));
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        Requests.answer(request, 200, vms.view(name(request)));
    }

    private void remove(Context request) throws IOException {
        Requests.allowQuery(request, "force", "images");
        var _ = engine.remove(name(request), Requests.flag(request, "force"), Requests.flag(request, "images"));
        request.status(204);
    }

    private void start(Context request) throws IOException {
        var body = Requests.body(request, Bodies.Start.class, new Bodies.Start(null));
        accept(request, () -> vms.start(name(request), isTrue(body.discardState())));
    }

    private void stop(Context request) throws IOException {
        var body = Requests.body(request, Bodies.Stop.class, new Bodies.Stop(null, null));
        int seconds = body.timeoutSeconds() == null ? STOP_SECONDS : body.timeoutSeconds();
        if (seconds < 1 || seconds > STOP_SECONDS_MAX) {
            throw new ApiException(
                    Problem.Kind.INVALID,
                    "body: 'timeoutSeconds' is %d, 1 to %d are allowed".formatted(seconds, STOP_SECONDS_MAX));
        }
        accept(request, () -> vms.stop(name(request), isTrue(body.force()), Duration.ofSeconds(seconds)));
    }

    private void suspend(Context request) throws IOException {
        SuspendOptions options = captureOptions(request);
        accept(request, () -> vms.suspend(name(request), options));
    }

    private void checkpoint(Context request) throws IOException {
        SuspendOptions options = captureOptions(request);
        accept(request, () -> Optional.of(vms.checkpoint(name(request), options)));
    }

    private static SuspendOptions captureOptions(Context request) throws ApiException {
        var body = Requests.body(request, Bodies.Capture.class, new Bodies.Capture(null));
        return new SuspendOptions(isTrue(body.selfContained()));
    }

    private void resume(Context request) throws IOException {
        var body = Requests.body(request, Bodies.Resume.class, new Bodies.Resume(null, null, null, null));
        var options = new ResumeOptions(
                isTrue(body.eager()),
                isTrue(body.keepImage()),
                isTrue(body.discardChanges()),
                background(body.backgroundBytesPerSecond()));
        String waiter = Requests.waiter(request);
        accept(request, () -> vms.resume(name(request), options, waiter), "wait", Requests.WAITER);
    }

    private static RestoreOptions background(@Nullable Long bytesPerSecond) throws ApiException {
        if (bytesPerSecond == null) {
            return RestoreOptions.DEFAULT;
        }
        if (bytesPerSecond < 0) {
            throw new ApiException(
                    Problem.Kind.INVALID,
                    "body: 'backgroundBytesPerSecond' is %d, 0 or more are allowed".formatted(bytesPerSecond));
        }
        BackgroundOptions usual = BackgroundOptions.DEFAULT;
        return RestoreOptions.DEFAULT.withBackground(
                bytesPerSecond == 0 ? usual.off() : usual.withRateBytesPerSecond(bytesPerSecond));
    }

    private void showSettings(Context request) throws IOException {
        Requests.allowQuery(request);
        engine.status(name(request)); // Refuses a VM that does not exist.
        Requests.answer(request, 200, VmSettings.read(engine.home(), name(request)));
    }

    /// They count when this answers, but for a front whose address another program has: that is tried again and again.
    private void changeSettings(Context request) throws IOException {
        Requests.allowQuery(request);
        VmStatus vm = engine.status(name(request));
        var settings = Requests.requiredBody(request, VmSettings.class, "send all settings, {} for none");
        settings.checkFor(vm.vnc(), vm.forwards(), engine.hasGuestAgent(name(request)));
        if (!Caller.of(request).seesAll()) {
            refuseUnlessWithinTheVm(settings, VmSettings.read(engine.home(), name(request)));
        }
        settings.checkBeside(engine.home(), name(request), engine.names());
        settings.write(engine.home(), name(request));
        watch.lookNow();
        Requests.answer(request, 200, settings);
    }

    /// A front is served by the host, so whoever may use some VMs only could reach with it what the host can, or let
    /// others in. Fronts that are there already may stay.
    private static void refuseUnlessWithinTheVm(VmSettings settings, VmSettings now) throws ApiException {
        for (Front front : settings.fronts()) {
            if (!now.fronts().contains(front) && !front.isWithinTheVm()) {
                throw new ApiException(
                        Problem.Kind.FORBIDDEN,
                        "front %s: the token is for some VMs only, its fronts lead to vnc or guest:PORT and listen at a loopback address"
                                .formatted(front.name()));
            }
        }
    }

    /// What begins an operation, unless there is nothing to do.
    @FunctionalInterface
    private interface Beginning {
        Optional<Operation> begin() throws IOException;
    }

    /// Answers with the operation, or with the VM if there is nothing to do. A client that waits gets the operation
    /// when it has ended, of a resume when the guest runs; what failed by then is its answer. For a request that is
    /// wrong nothing is begun.
    private void accept(Context request, Beginning beginning) throws IOException {
        accept(request, beginning, "wait");
    }

    /// @param query the parameters that it may have
    private void accept(Context request, Beginning beginning, String... query) throws IOException {
        Requests.allowQuery(request, query);
        Duration patience = Requests.patience(request);
        Optional<Operation> begun = beginning.begin();
        if (begun.isEmpty()) {
            Requests.answer(request, 200, vms.view(name(request)));
            return;
        }
        Operation operation = begun.get();
        await(operation, patience);
        Problem error = operation.error();
        request.header("Location", "/v1/operations/" + operation.id());
        if (error != null) {
            Requests.answer(request, error);
        } else {
            Requests.answer(request, 202, operation.view());
        }
    }

    private static void await(Operation operation, Duration patience) throws ApiException {
        try {
            operation.awaitUsable(patience);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped, the operation may go on");
        }
    }

    private static boolean isTrue(@Nullable Boolean value) {
        return Boolean.TRUE.equals(value);
    }

    private static String name(Context request) {
        return request.pathParam("name");
    }
}
