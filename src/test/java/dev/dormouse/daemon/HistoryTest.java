package dev.dormouse.daemon;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.dormouse.base.Json;
import dev.dormouse.catalog.HistoryItem;
import dev.dormouse.catalog.OperationRecord;
import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The catalog remembers what the daemon and the commands did, and nothing depends on it.
class HistoryTest {
    @TempDir
    Path folder;

    @Tag("qemu")
    @Test
    void remembersWhatTheDaemonAndTheCommandsDidAndLosesNothingButItselfWhenItIsDamaged() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(VmRequest.named("web").withMemory("64M"));
            fixture.run("start", "web");
            fixture.run("suspend", "web");
            assertThat(fixture.send("POST", "/v1/vms/web/stop?wait=60", "{\"timeoutSeconds\": 1}")
                            .status())
                    .isEqualTo(409);
            ResumeResult resumed = fixture.engine.resume("web", ResumeOptions.DEFAULT, OperationListener.NONE);
            List<Map<String, Object>> items = awaitItems(fixture, 4);

            assertThat(items)
                    .extracting(item -> item.get("kind"))
                    .containsExactly("resume", "stop", "suspend", "start");
            assertThat(items)
                    .extracting(item -> item.get("source"))
                    .containsExactly("command", "daemon", "daemon", "daemon");
            assertThat(items)
                    .extracting(item -> item.get("outcome"))
                    .containsExactly("succeeded", "failed", "succeeded", "succeeded");
            assertThat(items.get(0))
                    .containsEntry("durationMillis", resumed.mergedMillis())
                    .containsEntry("guestRunsMillis", resumed.runningMillis())
                    .containsKeys("nonZeroBytes", "demandedPages", "demandMicrosP99", "responsiveMillisEstimate");
            assertThat(items.get(1).get("error")).asString().contains("web");
            assertThat(items.get(2))
                    .containsKeys("imageBytes", "pausedMillis", "durationMillis", "onDiskBytes", "image");

            aClientOfAFrontThatLeadsNowhereIsRemembered(fixture);
            SuspendResult suspended = fixture.engine.suspend("web", OperationListener.NONE, new Cancellation());
            fixture.restart();
            assertThat(awaitItems(fixture, 5).getFirst())
                    .containsEntry("kind", "suspend")
                    .containsEntry("source", "command")
                    .containsEntry("image", suspended.image())
                    .containsEntry("durationMillis", suspended.totalMillis())
                    .containsEntry("pausedMillis", suspended.pausedMillis())
                    .containsEntry("imageBytes", suspended.imageBytes())
                    .containsEntry("nonZeroBytes", suspended.nonZeroBytes())
                    .containsEntry("storedBytes", suspended.storedBytes());
            aResumeThatFailsIsNotTakenForASuspend(fixture);
            assertThat(fixture.ok(200, "GET", "/v1/vms/web/history?limit=2").get("next"))
                    .isEqualTo("4");
            assertThat(fixture.ok(200, "GET", "/v1/host/history").get("items").toString())
                    .contains("givenBackBytes=67108864");

            Files.writeString(folder.resolve("home/catalog.db"), "x".repeat(5000));
            fixture.restart();
            Map<String, Object> resume = fixture.run("resume", "web");
            assertThat(awaitItems(fixture, 3))
                    .as("what commands did is found again")
                    .extracting(item -> item.get("kind") + " by " + item.get("source"))
                    .containsExactly("resume by daemon", "suspend by command", "resume by command");
            theNextDaemonKnowsTheOperationsOfTheOneBeforeIt(fixture, resume);
            try (Stream<Path> files = Files.list(folder.resolve("home"))) {
                assertThat(files.filter(file -> file.getFileName().toString().startsWith("catalog.db.aside-")))
                        .hasSize(1);
            }
            fixture.engine.stop("web", true, Duration.ofSeconds(10), OperationListener.NONE);
            whileTheCatalogCannotBeUsedThereAreTheOperationsOfThisDaemon(fixture);
        }
    }

    /// It puts the VM back to where it was, later, with the same image.
    private void aResumeThatFailsIsNotTakenForASuspend(DaemonFixture fixture) throws Exception {
        Path config = folder.resolve("home/vms/web/vm.json");
        String text = Files.readString(config);
        String since = fixture.engine.status("web").since();
        Files.writeString(config, text.replaceFirst("\"extraArguments\": *\\[", "$0 \"-no-such-option\""));
        assertThatThrownBy(() -> fixture.engine.resume("web", ResumeOptions.DEFAULT, OperationListener.NONE))
                .hasMessageContaining("-no-such-option");
        Files.writeString(config, text);
        assertThat(fixture.engine.status("web").state()).isEqualTo("suspended");
        assertThat(fixture.engine.status("web").since()).isGreaterThan(since);

        fixture.restart(); // The new daemon looks at every VM,
        fixture.send("PUT", "/v1/vms/web/settings", "{}"); // has looked when this returns,
        fixture.restart(); // and has written what it saw.
        assertThat(awaitItems(fixture, 5)).hasSize(5);
    }

    /// The one before was ended, the one that is under way was killed.
    private void theNextDaemonKnowsTheOperationsOfTheOneBeforeIt(DaemonFixture fixture, Map<String, Object> resume)
            throws Exception {
        try (var history = new History(fixture.engine, _ -> {})) {
            history.began(new OperationView(
                    "cut-off",
                    "suspend",
                    "web",
                    "queued",
                    Operation.now(),
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    null));
        }
        fixture.restart();
        fixture.send("POST", "/v1/vms/web/checkpoint?wait=60", null);

        assertThat(fixture.ok(200, "GET", "/v1/operations/" + resume.get("id"))).isEqualTo(resume);
        assertThat(fixture.ok(200, "DELETE", "/v1/operations/" + resume.get("id")))
                .isEqualTo(resume);
        Map<String, Object> cutOff = fixture.ok(200, "GET", "/v1/operations/cut-off");
        assertThat(cutOff).containsEntry("state", "failed").containsKey("ended").doesNotContainKey("continuedBy");
        assertThat(cutOff.get("error"))
                .asString()
                .contains(
                        "urn:dormouse:interrupted",
                        "vm web: the daemon ended while its suspend was under way; it is running now");
        assertThat(fixture.ok(404, "GET", "/v1/operations/cut-off/trace").get("detail"))
                .isEqualTo(
                        "operation cut-off: has no trace any more, the daemon keeps those of its own last operations");
        assertThat(awaitItems(fixture, 5).get(1))
                .containsEntry("operation", "cut-off")
                .containsEntry("outcome", "failed")
                .doesNotContainKey("durationMillis");
        assertThat(Files.readString(folder.resolve("home/audit.log"))).contains("\"operation\":\"cut-off\"");
        assertThat(pages(fixture))
                .as("over the border between both daemons")
                .extracting(operation -> operation.get("kind"))
                .containsExactly("checkpoint", "suspend", "resume");
        assertThat(fixture.ok(400, "GET", "/v1/operations?after=nemo").get("detail"))
                .isEqualTo("query: 'after' is 'nemo', no such operation; the oldest are forgotten");
    }

    /// {@return all operations, from pages of one}
    private static List<Map<String, Object>> pages(DaemonFixture fixture) throws IOException {
        var items = new ArrayList<Map<String, Object>>();
        Object next = "";
        while (next != null) {
            Map<String, Object> page =
                    fixture.ok(200, "GET", "/v1/operations?vm=web&limit=1" + (next.equals("") ? "" : "&after=" + next));
            items.addAll(Json.parseObjects(Json.write(page.get("items"))));
            next = page.get("next");
        }
        return items;
    }

    private void whileTheCatalogCannotBeUsedThereAreTheOperationsOfThisDaemon(DaemonFixture fixture) throws Exception {
        fixture.endWithTheHost();
        for (String part : List.of("", "-wal", "-shm")) {
            Files.deleteIfExists(folder.resolve("home/catalog.db" + part));
        }
        Files.createDirectory(folder.resolve("home/catalog.db"));
        fixture.startAgain();

        String id = String.valueOf(fixture.run("start", "web").get("id"));

        assertThat(fixture.ok(200, "GET", "/v1/operations").toString())
                .contains(id)
                .doesNotContain("next");
        assertThat(fixture.ok(200, "GET", "/v1/operations?vm=web&limit=1").get("next"))
                .isEqualTo(id);
        assertThat(fixture.send("GET", "/v1/operations?after=" + id, null).status())
                .as("not all")
                .isEqualTo(503);
        assertThat(fixture.ok(503, "GET", "/v1/operations/nemo").get("detail"))
                .asString()
                .contains("catalog.db: cannot be used: ");
        assertThat(fixture.send("GET", "/v1/operations?after=nemo", null).status())
                .isEqualTo(503);
        fixture.engine.stop("web", true, Duration.ofSeconds(10), OperationListener.NONE);
    }

    private static void aClientOfAFrontThatLeadsNowhereIsRemembered(DaemonFixture fixture) throws Exception {
        String settings =
                "{\"fronts\": [{\"name\": \"no\", \"listen\": \"127.0.0.1:0\", \"target\": \"nobody.invalid:1\"}]}";
        assertThat(fixture.send("PUT", "/v1/vms/web/settings", settings).status())
                .isEqualTo(200);
        try (var client = SocketChannel.open(fixture.fronts().address("web", "no"))) {
            assertThat(client.read(ByteBuffer.allocate(1))).isEqualTo(-1);
        }
        long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!fixture.send("GET", "/v1/vms/web/clients", null)
                .body()
                .contains("front no leads nowhere: 'nobody.invalid:1': nobody knows this host")) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(20);
        }
    }

    /// They are written down behind the back of those who did it.
    private static List<Map<String, Object>> awaitItems(DaemonFixture fixture, int count) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (true) {
            Map<String, Object> page = fixture.ok(200, "GET", "/v1/vms/web/history");
            List<Map<String, Object>> items = Json.parseObjects(Json.write(page.get("items")));
            if (items.size() >= count || System.nanoTime() - end > 0) {
                assertThat(items).as("%s", items).hasSizeGreaterThanOrEqualTo(count);
                return items;
            }
            Thread.sleep(50);
        }
    }

    /// {@return an engine whose home has a VM of which there is nothing but the folder}
    private Engine engine() throws IOException {
        Home home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        Files.createDirectories(home.vm("web"));
        Files.writeString(home.vm("web").resolve("state.json"), "damaged");
        return new Engine(home);
    }

    private static OperationView view(String id, String kind, @Nullable String started, @Nullable String ended) {
        return new OperationView(
                id,
                kind,
                "web",
                ended == null ? "running" : "succeeded",
                "2026-11-29T08:00:00Z",
                started,
                ended,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null);
    }

    @Test
    void whatTheCatalogHasForgottenDoesNotComeBackFromTheLogOfTheCommands() throws Exception {
        Engine engine = engine();
        Path log = engine.home().vm("web").resolve(Home.COMMAND_LOG);
        for (int second = 10; second < 13; second++) {
            Files.writeString(log, command("suspend", "2026-11-28T08:00:%dZ".formatted(second)), CREATE, APPEND);
        }
        try (var history = new History(engine, _ -> {})) {
            history.start();
            history.look("web");
            assertThat(history.<List<HistoryItem>>ask(catalog -> catalog.history("web", Long.MAX_VALUE, 10)))
                    .hasSize(3);
            fillHistory(history);
            Files.writeString(log, command("checkpoint", "2026-11-29T12:00:00Z"), APPEND);

            history.look("web");
            history.look("web");

            assertThat(history.<List<HistoryItem>>ask(catalog -> catalog.history("web", Long.MAX_VALUE, 1001)))
                    .hasSize(1000)
                    .filteredOn(item -> item.source().equals("command"))
                    .extracting(HistoryItem::kind)
                    .containsExactly("checkpoint");
        }
    }

    private static String command(String kind, String time) {
        return Json.write(Map.of("time", time, "kind", kind, "carriedOn", false)) + "\n";
    }

    private static void fillHistory(History history) throws IOException {
        HistoryItem stop = HistoryItems.of(view("op", "stop", null, "2026-11-29T09:00:00Z"), null);
        for (int hundred = 0; hundred < 10; hundred++) {
            var _ = history.ask(catalog -> {
                for (int i = 0; i < 100; i++) {
                    catalog.add(stop);
                }
                return 100;
            });
        }
    }

    @Test
    void onlyTheRestoreThatTheDaemonEndedInTheMiddleOfIsCarriedOn() throws Exception {
        Engine engine = engine();
        try (var history = new History(engine, _ -> {})) {
            history.began(view("old", "resume", "2026-11-29T08:00:00Z", null));
            history.began(view("cut-off", "resume", "2026-11-29T08:00:00Z", null));
            history.began(view("waits", "resume", null, null));
            history.began(view("stop", "stop", "2026-11-29T08:00:00Z", null));
        }
        var told = new ArrayList<String>();
        try (var history = new History(
                engine, view -> told.add(view.id() + ": " + view.error().detail()))) {
            history.carriesOn(Map.of("web", "next"));
            history.start();

            assertThat(history.<List<OperationRecord>>ask(catalog -> catalog.operations(null, Long.MAX_VALUE, 10)))
                    .extracting(OperationRecord::operation, OperationRecord::continuedBy)
                    .containsExactly(
                            tuple("stop", null), tuple("waits", null), tuple("cut-off", "next"), tuple("old", null));
        }
        assertThat(told)
                .containsExactly(
                        "old: vm web: how its resume ended was not written down; it is unreadable now",
                        "cut-off: vm web: the daemon ended while its resume was under way; operation next carries on with it",
                        "waits: vm web: how its resume ended was not written down; it is unreadable now",
                        "stop: vm web: the daemon ended while its stop was under way; it is unreadable now");
    }

    @Test
    void aCatalogWithARowThatNobodyThoughtOfIsNotOpenedAnewForEachNote() throws Exception {
        Engine engine = engine();
        try (var history = new History(engine, _ -> {})) {
            history.began(view("cut-off", "stop", null, null));
        }
        var tries = new AtomicInteger();
        try (var history = new History(engine, _ -> {
            tries.incrementAndGet();
            throw new IllegalStateException("no");
        })) {
            history.start();
            for (int i = 0; i < 3; i++) {
                history.left(new Visit(0, "web", "vnc", "::1", "2026-11-29T08:00:00Z", null, null, 1, null));
                assertThatThrownBy(() -> history.ask(catalog -> catalog.operation("cut-off")))
                        .isInstanceOf(ApiException.class)
                        .hasMessageContaining("cannot be used: java.lang.IllegalStateException: no");
            }
        }
        assertThat(tries).hasValue(1);
    }
}
