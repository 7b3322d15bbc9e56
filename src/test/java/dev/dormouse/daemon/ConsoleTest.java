package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.LIST;

import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.Keys;
import org.openqa.selenium.interactions.Actions;

/// The console in a real browser, against a real daemon with a real guest. One guest and one browser go through all of
/// it, in this order.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ConsoleTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int VMS = 500;
    private static final int TABS_MAX = 40;
    private static final int DISK_MEBIBYTES = 16;
    private static final String DESK = "tr[data-vm=desk] ";

    @TempDir
    static Path folder;

    private DaemonFixture fixture;
    private DaemonFixture few;
    private Browser browser;

    @BeforeAll
    void start() throws Exception {
        fixture = new DaemonFixture(folder);
        fixture.engine.create(
                GuestVm.request(GuestImage.locate(), "desk", "128M").withVnc("unix:{runtime}/vnc"));
        fixture.run("start", "desk");
        fixture.engine.create(VmRequest.named("spare-001").withMemory("64M"));
        for (int i = 2; i < VMS; i++) {
            copyOf("spare-001", "spare-%03d".formatted(i));
        }
        browser = new Browser(folder.resolve("profile"));
        try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, 32, 50, LONG);
            probe.readSome(DISK_MEBIBYTES, LONG); // Pages that stand on its disk.
        }
    }

    /// As if it had been created as well.
    private void copyOf(String vm, String copy) throws IOException {
        Path to = Files.createDirectory(fixture.home.vm(copy));
        for (String file : List.of("vm.json", "state.json")) {
            String text = Files.readString(fixture.home.vm(vm).resolve(file));
            Files.writeString(to.resolve(file), text.replace('"' + vm + '"', '"' + copy + '"'));
        }
    }

    @AfterAll
    void end() throws Exception {
        if (browser != null) {
            browser.close();
        }
        if (few != null) {
            few.close();
        }
        fixture.close();
    }

    @AfterEach
    void nothingWasWrong() {
        assertThat(browser.complaints()).isEmpty();
    }

    private String address() {
        return "http://127.0.0.1:" + fixture.server().port() + "/";
    }

    @Test
    @Order(1)
    void asksForATokenOnceAndRefusesAWrongOne() throws Exception {
        String token = new Tokens(fixture.home).create("console", "operator");

        browser.driver.get(address());
        browser.find("#sign-in[open] #token").sendKeys("wrong", Keys.ENTER); // It opens when the daemon has refused.
        browser.await(
                "the wrong token is refused",
                () -> browser.text("#sign-in-error").contains("no valid token"));
        browser.screenshot("sign-in");
        check();
        browser.find("#token").sendKeys(token, Keys.ENTER);
        browser.awaitText(DESK + ".badge", "Running");

        browser.driver.navigate().refresh();
        browser.awaitText(DESK + ".badge", "Running");
        browser.awaitText("#link", "Live");
    }

    @Test
    @Order(1)
    void itsFilesForbidThePageToLoadAnythingElse() throws Exception {
        try (HttpClient client = HttpClient.newHttpClient()) {
            var page = client.send(
                    HttpRequest.newBuilder(URI.create(address())).build(), HttpResponse.BodyHandlers.ofString());
            assertThat(page.statusCode()).isEqualTo(200);
            assertThat(page.headers().firstValue("Content-Security-Policy").orElse(""))
                    .startsWith("default-src 'none'; script-src 'self';")
                    .doesNotContain("unsafe");
            assertThat(page.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
            for (String path : new String[] {"js", "js/..%2f..%2fopenapi.yaml", "..%2fopenapi.yaml", "nothing.js"}) {
                var other = client.send(
                        HttpRequest.newBuilder(URI.create(address() + path)).build(),
                        HttpResponse.BodyHandlers.ofString());
                assertThat(other.statusCode()).as(path).isIn(400, 404);
            }
        }
    }

    @Test
    @Order(2)
    void listsAllAndFiltersAndSuspendsAndTellsWhatTheHostGotBack() throws Exception {
        browser.awaitText(".pager [role=status]", "1–50 of " + VMS);
        assertThat(browser.all("tbody tr")).hasSize(50);
        browser.find("#filter").sendKeys("desk");
        browser.await("one row is left", () -> browser.all("tbody tr").size() == 1);
        browser.click(DESK + ".actions button");
        browser.awaitText(DESK + ".badge", "Suspended");
        browser.awaitText(DESK + "td:nth-child(4)", "128 MiB");
        browser.find("#filter").sendKeys(Keys.BACK_SPACE, Keys.BACK_SPACE, Keys.BACK_SPACE, Keys.BACK_SPACE);
        browser.await("all rows are back", () -> browser.all("tbody tr").size() == 50);
        browser.screenshot("suspended");
    }

    @Test
    @Order(3)
    void resumesFromItsPageOnWhichThePageMapFills() throws Exception {
        browser.click(DESK + "a");
        browser.awaitText("h1", "desk");
        browser.script("""
                window.placed = [];
                new MutationObserver(() => placed.push(Number(document.querySelector(".map").dataset.placed)))
                    .observe(document.querySelector(".map"), {attributeFilter: ["data-placed"]});
                """);

        browser.click("#do-resume");
        browser.awaitText(".head .badge", "Running");
        browser.await(
                "the map is complete",
                () -> map("ended").equals("true") && map("missing").equals("0"));

        assertThat(browser.script(
                        "return new Set(placed).size > 1 && placed.every((n, i) => i === 0 || n >= placed[i - 1])"))
                .as("filled in steps: %s", browser.script("return placed"))
                .isEqualTo(true);
        assertThat(browser.colours(".map")).isGreaterThan(2);
        browser.await(
                "the resume is in the timeline", () -> browser.text("tbody tr").contains("Resume"));
        assertThat(browser.text(".facts")).containsPattern("Last TTR\\s+[0-9.]+ m?s");
        assertThat(browser.text(".chart")).contains("Wake", "Guest runs", "Responsive", "Complete");
        browser.screenshot("resumed");
    }

    /// What becomes of each page is counted where it is placed, and what the report says where it was wanted.
    @Test
    @Order(4)
    void itsPageMapHasTheKindsOfTheReportAndItsChartTheLatencies() throws Exception {
        Map<?, ?> report = (Map<?, ?>) fixture.ok(200, "GET", "/v1/vms/desk").get("lastRestore");
        long demanded = pages("Demanded by the guest");
        long fromDisk = pages("Prefetched from a disk");
        assertThat(demanded).isEqualTo(report.get("demandedPages"));
        assertThat(demanded + pages("Working set") + pages("Prefetched from the image") + fromDisk)
                .isEqualTo(report.get("nonZeroPages"));
        assertThat(fromDisk * 4096).isPositive().isLessThanOrEqualTo((Long) report.get("onDiskBytes"));
        assertThat(pages("Missing, in the image") + pages("Missing, on a disk")).isZero();
        assertThat(pages("Zero, nothing to place")).isPositive();

        var expected = new ArrayList<List<Object>>();
        for (Map<?, ?> item : history("/v1/vms/desk/history?limit=500")) {
            if (item.get("kind").equals("resume") && item.containsKey("demandMicrosP99")) {
                expected.add(formatted(
                        item.get("time"), "micros", item.get("demandMicrosP50"), item.get("demandMicrosP99")));
            }
        }
        assertThat(expected).isNotEmpty();
        assertThat(table("Pages that the guest waited for")).isEqualTo(expected);
    }

    /// {@return how many pages the map says to be of a kind, to those who cannot see it}
    private long pages(String kind) {
        String label = browser.find(".map").getDomAttribute("aria-label");
        var count = Pattern.compile(Pattern.quote(kind) + ": ([0-9,]+) pages").matcher(label);
        assertThat(count.find()).as(label).isTrue();
        return Long.parseLong(count.group(1).replace(",", ""));
    }

    private List<Map<?, ?>> history(String path) throws IOException {
        var items = new ArrayList<Map<?, ?>>();
        for (Object item : (List<?>) fixture.ok(200, "GET", path).get("items")) {
            items.add((Map<?, ?>) item);
        }
        return items;
    }

    /// {@return a row of a table as the page writes it: a time, and figures}
    private List<Object> formatted(Object time, String format, Object... figures) {
        return ((List<?>) browser.script(
                        """
                const [time, format, ...figures] = arguments;
                return import("/js/format.js").then(all => [all.clock(time), ...figures.map(all[format])]);
                """,
                        Stream.concat(Stream.of(time, format), Stream.of(figures))
                                .toArray()))
                .stream().<Object>map(text -> text).toList();
    }

    /// {@return the rows of the table beside a chart, the newest first}
    private List<?> table(String chart) {
        return (List<?>) browser.script("""
                const chart = [...document.querySelectorAll(".chart")]
                    .find(one => one.querySelector("h2").textContent === arguments[0]);
                return [...chart.querySelectorAll("tbody tr")]
                    .map(row => [...row.children].map(cell => cell.textContent));
                """, chart);
    }

    private String map(String figure) {
        return String.valueOf(browser.script("return document.querySelector('.map').dataset[arguments[0]]", figure));
    }

    @Test
    @Order(5)
    void showsTheScreenOfAVmThatItWakes() throws Exception {
        fixture.run("suspend", "desk");

        browser.click("#open-screen");
        browser.await("the screen shows something", () -> browser.colours(".screen-target canvas") > 1);
        browser.awaitText(".head .badge", "Running");
        assertThat(fixture.ok(200, "GET", "/v1/vms/desk")).containsEntry("clients", 1L);
        browser.script("document.querySelector('.screen-target canvas').focus()");
        browser.driver.switchTo().activeElement().sendKeys(Keys.chord(Keys.SHIFT, Keys.ESCAPE));
        assertThat(browser.driver.switchTo().activeElement().getText()).isEqualTo("Close");
        browser.screenshot("screen");
        browser.driver.switchTo().activeElement().click();
        browser.awaitText(".screen .notice", "The screen is closed.");
    }

    @Test
    @Order(6)
    void tellsInTheWordsOfTheEngineWhyAVmDoesNotWake() throws Exception {
        fixture.run("suspend", "desk");
        Path image = fixture.home.image(
                String.valueOf(fixture.ok(200, "GET", "/v1/vms/desk").get("image")));
        Path aside = folder.resolve("aside");
        Files.move(image, aside);

        browser.click("#open-screen");
        browser.await(
                "the reason is shown",
                () -> browser.text(".screen .notice").startsWith(image + ": the image of vm desk is missing"));
        Files.move(aside, image);
        assertThat(browser.complaints()) // noVNC writes it down, too.
                .allMatch(message -> message.contains("no security types (reason: " + image));
    }

    @Test
    @Order(7)
    void showsARestoreInItsMiddle() throws Exception {
        browser.driver.navigate().refresh(); // Why it did not wake is no longer of interest.
        browser.awaitText(".head .badge", "Suspended");
        fixture.send("POST", "/v1/vms/desk/resume?wait=60", "{\"backgroundBytesPerSecond\": 16000000}");
        browser.awaitText(".head .badge", "Restoring");
        browser.await(
                "some of the map is filled",
                () -> Long.parseLong(map("placed")) > 10_000 && Long.parseLong(map("missing")) > 2000);
        browser.screenshot("restoring");
        check();
        theme("dark");
        browser.screenshot("restoring-dark");
        check();
    }

    @Test
    @Order(8)
    void showsTheHostInLightAndDark() throws Exception {
        browser.click("[data-nav=host]");
        browser.awaitText("h1", "Host");
        browser.await("it knows its VMs", () -> browser.text(".tile dd").equals(String.valueOf(VMS)));
        browser.screenshot("host-dark");
        browser.await("the chart has samples", () -> table("Memory").size() > 1);
        itsMemoryChartHasTheSamplesOfTheHost();
        check();
        theme("light");
        check();
        browser.click("[data-nav=vms]");
        browser.find(DESK);
        browser.awaitText("thead th:nth-child(7)", "Last TTR");
        browser.await(
                "the last TTR of the VM is there",
                () -> browser.text(DESK + "td:nth-child(7)").matches("[0-9.]+ m?s"));
        browser.screenshot("list");
        check();
    }

    /// The first row is what the VMs take now.
    private void itsMemoryChartHasTheSamplesOfTheHost() throws IOException {
        List<?> rows = table("Memory");
        Map<?, ?> use = (Map<?, ?>) fixture.ok(200, "GET", "/v1/host").get("use");
        assertThat(((List<?>) rows.getFirst()).subList(1, 4))
                .isEqualTo(formatted("", "bytes", figures(use)).subList(1, 4));
        var expected = new ArrayList<List<Object>>();
        for (Map<?, ?> sample : history("/v1/host/history?limit=500")) {
            expected.add(formatted(sample.get("time"), "bytes", figures(sample)));
        }
        assertThat(rows.subList(1, rows.size())).isEqualTo(expected);
    }

    private static Object[] figures(Map<?, ?> use) {
        return new Object[] {use.get("givenBackBytes"), use.get("awakeBytes"), use.get("imageBytes")};
    }

    @Test
    @Order(9)
    void whatAVmBecameWhileAllWereReadIsNotForgotten() throws Exception {
        fixture.run("suspend", "desk");
        browser.awaitText(DESK + ".badge", "Suspended");
        browser.script("""
                const real = window.fetch;
                window.held = 0;
                window.release = new Promise(resolve => { window.letGo = resolve; });
                window.fetch = async (path, options) => {
                    const answer = await real(path, options);
                    if (path.startsWith("/v1/vms?")) { // It has been answered, and takes its time to come.
                        window.held++;
                        await window.release;
                    }
                    return answer;
                };
                import("/js/store.js").then(store => store.open(() => {}));
                """);
        // That of the new stream, and that of who opens it.
        browser.await("all are read", () -> browser.script("return window.held").equals(2L));

        fixture.run("resume", "desk");
        fixture.send("PUT", "/v1/vms/desk/settings", "{}"); // The daemon has looked at all VMs when this returns,
        fixture.run("start", "spare-001");
        browser.awaitText("tr[data-vm=spare-001] .badge", "Running"); // so all that is told of the desk was told.
        browser.awaitText(DESK + ".badge", "Running");
        browser.script("window.letGo()");

        browser.await("the other VMs are back", () -> browser.all("tbody tr").size() == 50);
        browser.awaitText(DESK + ".badge", "Running");
    }

    @Test
    @Order(10)
    void isOfUseWithNoVmAndWithOne() throws Exception {
        few = new DaemonFixture(folder.resolve("few"));
        browser.driver.get("http://127.0.0.1:" + few.server().port() + "/");
        signIn(new Tokens(few.home).create("console", "operator"));

        browser.awaitText(".empty", "There is no virtual machine yet: 'dormouse vm create' makes one.");
        assertThat(browser.text(".tile dd")).isEqualTo("0");
        assertThat(browser.find(".pager").isDisplayed()).isFalse();
        browser.screenshot("no-vm");
        check();
        browser.click("[data-nav=host]");
        browser.awaitText("h1", "Host");
        browser.await("it knows its daemon", () -> browser.text(".head .soft").contains("process"));
        check();

        few.engine.create(VmRequest.named("only").withMemory("64M").withVnc("unix:{runtime}/vnc"));
        browser.await("the host has one", () -> browser.text(".tile dd").equals("1"));
        browser.click("[data-nav=vms]");
        browser.awaitText("tr[data-vm=only] .badge", "Stopped");
        assertThat(browser.all("tbody tr")).hasSize(1);
        assertThat(browser.text(".empty")).isEmpty();
        browser.click("tr[data-vm=only] .actions button");
        browser.awaitText("tr[data-vm=only] .badge", "Running");
        browser.screenshot("one-vm");
        check();
        browser.click("tr[data-vm=only] a");
        browser.awaitText(".head .badge", "Running");
        eachButtonDoesWhatItSays();
        check();
    }

    private void eachButtonDoesWhatItSays() throws Exception {
        press("suspend", "Suspended");
        press("resume", "Running");
        press("checkpoint", "Running");
        browser.await(
                "the checkpoint is in the timeline", () -> browser.text("tbody").contains("Checkpoint"));

        press("stop", "Running"); // Which asks first.
        browser.awaitText("#ask-title", "Stop only?");
        browser.screenshot("question");
        check();
        browser.click("#ask-buttons button[value='']");
        assertThat(few.state("only")).isEqualTo("running");
        press("stop", "Running");
        browser.click("#ask-buttons button[value=force]");
        browser.awaitText(".head .badge", "Stopped");

        press("start", "Running");
        press("suspend", "Suspended");
        var done = new ArrayList<String>();
        for (Object item : (List<?>) few.ok(200, "GET", "/v1/operations").get("items")) {
            done.add(((Map<?, ?>) item).get("kind") + " " + ((Map<?, ?>) item).get("state"));
        }
        assertThat(done)
                .containsExactly(
                        "suspend succeeded",
                        "start succeeded",
                        "stop succeeded",
                        "checkpoint succeeded",
                        "resume succeeded",
                        "suspend succeeded",
                        "start succeeded");
    }

    /// Clicks a button of the page of a VM as soon as it may be.
    private void press(String action, String state) {
        var button = browser.find("#do-" + action);
        browser.await(action + " is offered", button::isEnabled);
        button.click();
        browser.awaitText(".head .badge", state);
    }

    private void signIn(String token) {
        browser.find("#sign-in[open] #token").sendKeys(token, Keys.ENTER);
    }

    @Test
    @Order(11)
    void offersToATokenNothingThatWouldBeRefused() throws Exception {
        few.engine.create(VmRequest.named("hidden").withMemory("64M"));
        browser.click("[data-nav=vms]");
        browser.find("tr[data-vm=hidden] .actions button");
        var tokens = new Tokens(few.home);

        browser.click("#sign-out");
        signIn(tokens.create("viewer", "viewer", List.of("only")));
        browser.awaitText("tr[data-vm=only] .badge", "Suspended");
        assertThat(browser.all("tbody tr")).hasSize(1);
        assertThat(browser.find("tr[data-vm=only] .actions button").isDisplayed())
                .isFalse();
        assertThat(browser.text("#limits")).contains("the role viewer", "some virtual machines only: only.");
        clickAllThatIsOffered();
        browser.click(".chip"); // All of them again.
        browser.screenshot("viewer-list");
        check();

        browser.click("tr[data-vm=only] a");
        browser.awaitText(".head .badge", "Suspended");
        for (String action : List.of("start", "resume", "suspend", "checkpoint", "stop")) {
            var button = browser.find("#do-" + action);
            assertThat(button.isEnabled()).as(action).isFalse();
            assertThat(button.getDomProperty("title")).contains("the role viewer");
        }
        assertThat(browser.find("#open-screen").isDisplayed()).isFalse();
        assertThat(browser.text(".screen .notice")).contains("the role viewer");
        clickAllThatIsOffered();
        browser.screenshot("viewer-vm");
        check();

        browser.click("[data-nav=host]");
        browser.await("the host is known", () -> browser.text(".head .soft").contains("process"));
        assertThat(browser.text("#limits")).contains("some virtual machines only: only.");
        clickAllThatIsOffered();
        check();
        assertThat(browser.refused()).isEmpty();
        assertThat(few.state("only")).isEqualTo("suspended");

        browser.click("#sign-out");
        signIn(tokens.create("operator", "operator", List.of("only")));
        browser.click("[data-nav=vms]");
        browser.click("tr[data-vm=only] .actions button");
        browser.awaitText("tr[data-vm=only] .badge", "Running");
        browser.driver.get("about:blank");
        assertThat(browser.refused()).isEmpty();
    }

    /// From the sign-in to a VM that runs again, with nothing but keys.
    @Test
    @Order(12)
    void isOfUseWithoutAMouse() throws Exception {
        browser.driver.get("http://127.0.0.1:" + few.server().port() + "/");
        browser.awaitText("#link", "Live");
        tabTo("#sign-out");
        type(Keys.ENTER);
        browser.find("#sign-in[open] #token");
        check();
        type(new Tokens(few.home).create("keys", "operator"), Keys.ENTER);
        browser.awaitText("tr[data-vm=only] .badge", "Running");

        tabTo("tr[data-vm=only] .actions button");
        type(Keys.ENTER);
        browser.awaitText("tr[data-vm=only] .badge", "Suspended");
        tabTo("tr[data-vm=only] a");
        type(Keys.ENTER);
        browser.awaitText(".head .badge", "Suspended");
        tabTo("#do-resume");
        type(Keys.ENTER);
        browser.awaitText(".head .badge", "Running");

        tabTo("#do-stop");
        type(Keys.SPACE);
        browser.awaitText("#ask-title", "Stop only?");
        type(Keys.ESCAPE);
        browser.await("the question is gone", () -> browser.all("#ask[open]").isEmpty());
        assertThat(few.state("only")).isIn("running", "restoring");
    }

    private void type(CharSequence... keys) {
        new Actions(browser.driver).sendKeys(keys).perform();
    }

    /// Presses TAB until the focus is there, which can be seen.
    private void tabTo(String css) {
        for (int i = 0; i < TABS_MAX; i++) {
            type(Keys.TAB);
            Object there = browser.script("return document.activeElement.matches(arguments[0])", css);
            if (there.equals(true)) {
                assertThat(browser.script("return getComputedStyle(document.activeElement).outlineStyle"))
                        .as("outline of %s", css)
                        .isNotEqualTo("none");
                return;
            }
        }
        throw new AssertionError("no TAB leads to " + css);
    }

    /// What a request to the daemon comes of is in the log of the browser some time later.
    private void clickAllThatIsOffered() throws InterruptedException {
        Object clicked = browser.script("""
                const offered = [...document.querySelectorAll("main button, main summary")]
                    .filter(e => !e.disabled && e.checkVisibility());
                offered.forEach(e => e.click());
                return offered.length;
                """);
        assertThat((Long) clicked).isNotNegative();
        Thread.sleep(500);
    }

    private void theme(String name) {
        browser.script(
                "const theme = document.getElementById('theme'); theme.value = arguments[0]; theme.dispatchEvent(new Event('change'))",
                name);
    }

    private void check() {
        assertThat(browser.faintTexts()).asInstanceOf(LIST).isEmpty();
        assertThat(browser.namelessControls()).asInstanceOf(LIST).isEmpty();
    }
}
