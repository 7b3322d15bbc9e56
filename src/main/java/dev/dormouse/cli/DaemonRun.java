package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.daemon.DaemonClient;
import dev.dormouse.daemon.DaemonProcess;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Has the daemon of the home do what a command wants, and follows it; one that does not run is started. Where that is
/// not wanted, or the command asks for something that the API has not, the command does it itself.
final class DaemonRun {
    /// What is faster shows no progress.
    private static final int FIRST_WAIT_SECONDS = 1;
    private static final int LOOK_MILLIS = 50;
    private static final int LOOKS_MAX = 1000 * (FIRST_WAIT_SECONDS + 1) / LOOK_MILLIS;
    private static final int INVALID = 400;
    private static final int UNAVAILABLE = 503;
    private static final Set<String> CALLED_OFF = Set.of("queued", "cancelled"); // The former until that is noticed.

    private final DaemonClient client;
    private final String vm;
    private final ProgressBar bar;
    private final CountDownLatch begun = new CountDownLatch(1);
    /// By which the daemon knows this command again.
    private final String waiter = "%d-%x".formatted(ProcessHandle.current().pid(), System.nanoTime());
    private volatile @Nullable String id; // Of the operation.

    private DaemonRun(DaemonClient client, String vm, ProgressBar bar) {
        this.client = client;
        this.vm = vm;
        this.bar = bar;
    }

    /// @param vm refused if there is none
    /// @return empty if the command is to do it itself
    static Optional<DaemonRun> find(Main main, String vm, ProgressBar bar) throws IOException {
        return find(main, vm, bar, true);
    }

    /// @param wanted whether one that does not run is started
    private static Optional<DaemonRun> find(Main main, String vm, ProgressBar bar, boolean wanted) throws IOException {
        if (main.qemu() != null || main.worksAlone()) {
            return Optional.empty();
        }
        main.lookingEngine().status(vm);
        Path socket = DaemonClient.socket(main.home());
        if (!accepts(socket) && !(wanted && start(main, bar))) {
            return Optional.empty();
        }
        return Optional.of(new DaemonRun(new DaemonClient(socket), vm, bar));
    }

    private static boolean accepts(Path socket) {
        if (!Files.exists(socket)) {
            return false;
        }
        try (var channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            return channel.isConnected();
        } catch (IOException _) {
            return false; // The socket that a daemon left.
        }
    }

    /// Only a program that runs from its launcher knows how a daemon is run.
    ///
    /// @return whether there is one now; the user is told why if not
    private static boolean start(Main main, ProgressBar bar) throws IOException {
        String launcher = System.getProperty("dormouse.launcher");
        if (launcher == null) {
            return false;
        }
        bar.step("starting the daemon");
        try {
            DaemonProcess.start(main.home(), List.of(launcher, "serve", "--yield"), main.environment());
            return true;
        } catch (InterruptedIOException e) {
            throw e;
        } catch (IOException e) {
            main.warn(ErrorText.of(e) + "; it is done without");
            return false;
        }
    }

    /// Makes an image of a running VM.
    ///
    /// @param action `suspend` or `checkpoint`
    static Optional<SuspendResult> capture(Main main, String action, String vm, ImageFlags options, ProgressBar bar)
            throws IOException {
        Optional<String> body = options.request();
        Optional<DaemonRun> daemon = body.isEmpty() ? Optional.empty() : find(main, vm, bar);
        if (daemon.isEmpty()) {
            return Optional.empty();
        }
        main.interruption().arm(() -> daemon.get().cancel(action));
        return daemon.get()
                .run(action, body.get(), true, "is suspended already")
                .map(operation -> Json.parse(SuspendResult.class, Json.write(operation.get("result"))));
    }

    /// Ends a running VM. Whoever wants that wants no daemon for it: one that does not run is not started.
    ///
    /// @return whether it was done; else the command is to do it itself
    static boolean stop(Main main, String vm, String body, ProgressBar bar) throws IOException {
        Optional<DaemonRun> daemon = find(main, vm, bar, false);
        if (daemon.isEmpty()) {
            return false;
        }
        main.interruption().arm(() -> daemon.get().cancel("stop"));
        return daemon.get()
                .run("stop", body, true, "not running, there is nothing to stop")
                .isPresent();
    }

    /// {@return what `--json` prints of a resume}
    ///
    /// @param toTheEnd whether to wait until every page is placed and the disks are merged
    static Optional<Map<String, Object>> resume(
            Main main, String vm, ResumeFlags flags, ProgressBar bar, boolean toTheEnd) throws IOException {
        long startNanos = System.nanoTime();
        Optional<String> body = flags.request();
        Optional<DaemonRun> daemon = body.isEmpty() ? Optional.empty() : find(main, vm, bar);
        if (daemon.isEmpty()) {
            return Optional.empty();
        }
        try (var _ = WhatGoesOn.afterCtrlC(main, daemon.get()::whatGoesOn)) {
            return daemon.get()
                    .run("resume", body.get(), toTheEnd, "not suspended, only a suspended VM can be resumed")
                    .map(operation -> resumed(vm, operation, startNanos));
        }
    }

    private static Map<String, Object> resumed(String vm, Map<String, Object> operation, long startNanos) {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("vm", vm);
        facts.put("state", "running");
        facts.put("commandMillis", (System.nanoTime() - startNanos) / 1_000_000);
        facts.put("runningMillis", operation.get("guestRunsMillis"));
        if (operation.get("result") instanceof Map<?, ?> result) {
            result.forEach((key, value) -> facts.put(String.valueOf(key), value));
        }
        return facts;
    }

    /// Does it, and waits until it has ended; of a resume until the guest runs, unless `toTheEnd`.
    ///
    /// @param body of the request, JSON
    /// @return the operation; empty if the daemon is gone, and nothing was begun
    /// @throws Failures.Reported if it failed, or there was nothing to do
    Optional<Map<String, Object>> run(String action, String body, boolean toTheEnd, String nothingToDo)
            throws IOException {
        Optional<Map<String, Object>> operation;
        try {
            operation = begin(action, body, nothingToDo);
            id = operation.map(view -> String.valueOf(view.get("id"))).orElse(null);
        } finally {
            begun.countDown();
        }
        return operation.isEmpty() ? operation : Optional.of(follow(action, operation.get(), toTheEnd));
    }

    /// {@return the operation; empty if there is none, or it is going}. What it may have begun by then does no
    /// harm to a command that does the same: the locks and records of the VM see to that.
    private Optional<Map<String, Object>> begin(String action, String body, String nothingToDo) throws IOException {
        try {
            boolean named = action.equals("resume");
            DaemonClient.Answer answer = post(action, body, named ? "&waiter=" + waiter : "");
            if (named && answer.status() == INVALID) { // By a daemon of an earlier version, which knows no waiters.
                answer = post(action, body, "");
            }
            if (answer.status() == UNAVAILABLE) {
                return Optional.empty();
            }
            if (answer.status() == 200) {
                throw new Failures.Reported("vm %s: %s".formatted(vm, nothingToDo), Failures.FAILED);
            }
            return Optional.of(read(answer));
        } catch (SocketException | DaemonClient.AnswerException e) {
            if (isThere()) {
                throw e;
            }
            return Optional.empty();
        }
    }

    private DaemonClient.Answer post(String action, String body, String query) throws IOException {
        return client.send("POST", "/v1/vms/%s/%s?wait=%d%s".formatted(vm, action, FIRST_WAIT_SECONDS, query), body);
    }

    private boolean isThere() {
        try {
            return client.send("GET", "/v1/host", null).status() < UNAVAILABLE;
        } catch (IOException _) {
            return false; // The socket that it left.
        }
    }

    private Map<String, Object> follow(String action, Map<String, Object> first, boolean toTheEnd) throws IOException {
        try {
            return follow(first, toTheEnd);
        } catch (SocketException | DaemonClient.AnswerException e) {
            throw new Failures.Reported(
                    "vm %s: the daemon ended while its %s was under way; 'dormouse show %s' tells what the VM is now"
                            .formatted(vm, action, vm),
                    Failures.FAILED);
        }
    }

    private Map<String, Object> follow(Map<String, Object> first, boolean toTheEnd) throws IOException {
        Map<String, Object> operation = first;
        while (!operation.containsKey("ended") && (toTheEnd || !operation.containsKey("guestRunsMillis"))) {
            show(operation);
            pause();
            operation = read(client.send("GET", "/v1/operations/" + id, null));
        }
        if (operation.get("error") instanceof Map<?, ?> problem) {
            throw failure(problem);
        }
        return operation;
    }

    private void show(Map<String, Object> operation) {
        if (operation.get("stalledReason") instanceof String reason) {
            bar.step("stalled: " + reason);
        } else if (operation.get("total") instanceof Number total
                && operation.get("done") instanceof Number done
                && total.longValue() > 0) {
            boolean captures = operation.get("kind").equals("suspend")
                    || operation.get("kind").equals("checkpoint");
            String phase = captures ? "capturing" : "restoring";
            bar.update(phase, done.longValue(), total.longValue());
        } else if (operation.get("step") instanceof String step) {
            bar.step(step);
        }
    }

    /// Calls off what this command has begun, for Ctrl-C: it ends where it can be undone.
    ///
    /// @param action what that is
    private void cancel(String action) {
        try {
            String operation = underWay(action);
            if (operation != null) {
                client.send("DELETE", "/v1/operations/" + operation, null);
            }
        } catch (IOException _) {
            // It has ended, or comes to its end.
        }
    }

    /// {@return the operation that was begun; null if there is none}. Its id comes with the answer of the daemon,
    /// which takes its time; what does the same on this VM meanwhile is no other one.
    private @Nullable String underWay(String action) throws IOException {
        for (int i = 0; i < LOOKS_MAX && !hasBegun(Duration.ofMillis(LOOK_MILLIS)); i++) {
            DaemonClient.Answer newest = client.send("GET", "/v1/operations?limit=1&vm=" + vm, null);
            for (Map<String, Object> operation :
                    Json.parseObjects(Json.write(Json.parseObject(newest.body()).get("items")))) {
                if (action.equals(operation.get("kind")) && !operation.containsKey("ended")) {
                    return String.valueOf(operation.get("id"));
                }
            }
        }
        return id;
    }

    private String whatGoesOn() {
        String operation = awaitId();
        if (operation == null) {
            return "vm %s: the daemon may have begun with it, 'dormouse show %s' tells".formatted(vm, vm);
        }
        return calledOff(operation)
                ? "vm %s: cancelled, its restore had not begun; it is suspended as before".formatted(vm)
                : WhatGoesOn.restoring(vm);
    }

    /// A resume that waits for its turn is of no use to anybody once the last one has gone who wanted it: the daemon
    /// knows who else does.
    private boolean calledOff(String operation) {
        try {
            Map<String, Object> left =
                    read(client.send("DELETE", "/v1/operations/%s?waiter=%s".formatted(operation, waiter), null));
            return CALLED_OFF.contains(String.valueOf(left.get("state")));
        } catch (IOException _) { // Also if it has begun, or others want it.
            return false; // It comes to its end, or the daemon does.
        }
    }

    /// {@return the id of the operation that was begun; null if there is none}
    private @Nullable String awaitId() {
        hasBegun(Duration.ofSeconds(FIRST_WAIT_SECONDS + 1));
        return id;
    }

    /// {@return whether the daemon has answered in this time}
    private boolean hasBegun(Duration patience) {
        try {
            return begun.await(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private static Map<String, Object> read(DaemonClient.Answer answer) throws IOException {
        Map<String, Object> value = Json.parseObject(answer.body());
        if (answer.status() >= 400) {
            throw failure(value);
        }
        return value;
    }

    private static Failures.Reported failure(Map<?, ?> problem) {
        int exitCode = switch (String.valueOf(problem.get("type"))) {
            case "urn:dormouse:invalid" -> Failures.USAGE;
            case "urn:dormouse:damaged-image" -> Failures.DAMAGED;
            case "urn:dormouse:unsupported-image" -> Failures.UNSUPPORTED;
            case "urn:dormouse:image-key" -> Failures.NO_KEY;
            default -> Failures.FAILED;
        };
        return new Failures.Reported(String.valueOf(problem.get("detail")), exitCode);
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(LOOK_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while waiting for the daemon, which goes on");
        }
    }
}
