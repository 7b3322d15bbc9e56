package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Operations pass from the daemon to the catalog while somebody lists them page by page.
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class OperationPagesTest {
    private static final int HELD = 500; // Of those that ended.

    @TempDir
    Path folder;

    private final CountDownLatch stall = new CountDownLatch(1);
    private final List<String> begun = new ArrayList<>(); // The newest first.
    private History history;
    private Operations operations;
    private OperationPages pages;

    @BeforeEach
    void begin() throws IOException {
        Home home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        Files.createDirectories(home.root());
        history = new History(new Engine(home), _ -> {});
        operations = new Operations(new Events(), history::began, history::ended);
        pages = new OperationPages(operations, new PastOperations(history));
    }

    @AfterEach
    void end() {
        stall.countDown();
        history.close();
    }

    private String stalled(String vm) throws IOException {
        String id = operations
                .begin(Operation.Kind.RESUME, vm, operation -> {
                    operation.begun();
                    awaitQuietly();
                    return null;
                })
                .id();
        begun.addFirst(id);
        return id;
    }

    private void awaitQuietly() {
        try {
            assertThat(stall.await(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private void does(int count) throws Exception {
        for (int i = 0; i < count; i++) {
            Operation stop = operations.begin(Operation.Kind.STOP, "web" + i % 3, _ -> null);
            begun.addFirst(stop.id());
            assertThat(stop.awaitEnd(Duration.ofSeconds(10))).isTrue();
            if (i % 50 == 0) {
                var _ = history.ask(catalog -> catalog.operation("none")); // All of it is written down.
            }
        }
    }

    private static List<String> ids(OperationView.Page page) {
        return page.items().stream().map(OperationView::id).toList();
    }

    @Test
    void noneIsLeftOutOrToldTwiceThoughOperationsAreForgottenBetweenTwoPages() throws Exception {
        history.start();
        does(20);
        String first = stalled("slow");
        does(HELD + 20);
        String second = stalled("slower");
        does(30);
        var expected = List.copyOf(begun);
        var found = new ArrayList<String>();

        OperationView.Page page = pages.page(Caller.OWNER, null, null, 40);
        found.addAll(ids(page));
        does(HELD + 10); // That one is forgotten.
        while (page.next() != null) {
            page = pages.page(Caller.OWNER, null, page.next(), 190);
            found.addAll(ids(page));
        }

        assertThat(found).containsExactlyElementsOf(expected).contains(first, second);
    }

    @Test
    void aCallerSeesThoseOnItsOwnVms() throws Exception {
        history.start();
        does(2);
        stalled("slow");
        does(HELD + 20);
        var caller = new Caller("some", Role.VIEWER, "0", List.of("web1", "s*"));
        var expected = new ArrayList<String>();
        for (String id : begun) {
            String vm =
                    history.ask(catalog -> catalog.operation(id)).orElseThrow().vm();
            if (caller.sees(vm)) {
                expected.add(id);
            }
        }

        assertThat(ids(pages.page(caller, null, null, 500))).containsExactlyElementsOf(expected);
        assertThat(ids(pages.page(caller, "slow", null, 500))).hasSize(1);
        assertThat(ids(pages.page(caller, "web0", null, 500))).isEmpty();
        begun.removeAll(expected);
        for (String other : List.of(begun.getFirst(), begun.getLast())) {
            assertThatThrownBy(() -> pages.page(caller, null, other, 5)).hasMessageContaining("no such operation");
        }
    }

    @Test
    void aPageOfThoseThatAreHeldDoesNotWaitForTheCatalog() throws Exception {
        String id = stalled("slow"); // The history is not started: it answers nobody.

        OperationView.Page page = pages.page(Caller.OWNER, "slow", null, 1);

        assertThat(ids(page)).containsExactly(id);
        assertThat(page.next()).as("there may be more").isEqualTo(id);
        assertThat(pages.page(Caller.OWNER, null, null, 2)).satisfies(first -> {
            assertThat(ids(first)).containsExactly(id);
            assertThat(first.next()).isNull();
        });
        assertThatThrownBy(() -> pages.page(Caller.OWNER, null, id, 2)).hasMessageContaining("does not answer now");
        history.start();
        assertThat(ids(awaitPage(id))).isEmpty();
    }

    private OperationView.Page awaitPage(String after) throws Exception {
        while (true) {
            try {
                return pages.page(Caller.OWNER, null, after, 2);
            } catch (ApiException _) {
                Thread.sleep(1);
            }
        }
    }
}
