package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.logging.Level;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/// Debian's Chromium without a window. Everything that it complains about in its own console fails the test.
final class Browser implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Path SCREENSHOTS =
            Path.of(System.getProperty("dormouse.root", "."), "target", "console-screenshots");

    private static final String ANSWERED = "Failed to load resource: the server responded with a status of ";

    final ChromeDriver driver;
    private final List<String> log = new ArrayList<>();

    /// @param profile where it keeps what it needs; made if missing
    Browser(Path profile) throws IOException {
        Files.createDirectories(profile);
        var logs = new LoggingPreferences();
        logs.enable(LogType.BROWSER, Level.ALL);
        var options = new ChromeOptions()
                .setBinary("/usr/bin/chromium")
                .addArguments(
                        "--headless=new",
                        "--no-sandbox", // It may be root that tests.
                        "--disable-dev-shm-usage",
                        "--disable-gpu",
                        "--disable-background-networking",
                        "--no-first-run",
                        "--hide-scrollbars",
                        "--force-device-scale-factor=1",
                        "--user-data-dir=" + profile);
        options.setCapability("goog:loggingPrefs", logs);
        var service = new ChromeDriverService.Builder()
                .usingDriverExecutable(new File("/usr/bin/chromedriver"))
                .usingAnyFreePort()
                .withLogFile(profile.resolve("chromedriver.log").toFile())
                .build();
        driver = new ChromeDriver(service, options);
        driver.manage().window().setSize(new Dimension(1440, 1000));
    }

    WebElement find(String css) {
        await(css + " is there", () -> !all(css).isEmpty());
        return driver.findElement(By.cssSelector(css));
    }

    List<WebElement> all(String css) {
        return driver.findElements(By.cssSelector(css));
    }

    /// {@return what is displayed of the first element that matches, "" without one}
    String text(String css) {
        return String.valueOf(script("return document.querySelector(arguments[0])?.innerText.trim() ?? ''", css));
    }

    void click(String css) {
        find(css).click();
    }

    void awaitText(String css, String text) {
        await("%s is '%s'".formatted(css, text), () -> text(css).equals(text));
    }

    void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime() - end)
                    .as(() -> "%s; complaints: %s; text: %s".formatted(what, complaints(), text("body")))
                    .isNegative();
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError(e);
            }
        }
    }

    Object script(String javascript, Object... arguments) {
        return driver.executeScript(javascript, arguments);
    }

    /// {@return how many colours a canvas shows}
    long colours(String css) {
        return ((Number) script("""
                const canvas = document.querySelector(arguments[0]);
                if (!canvas || canvas.width === 0 || canvas.height === 0) return 0;
                const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
                copy.drawImage(canvas, 0, 0);
                const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
                return new Set(new Uint32Array(pixels.buffer)).size;
                """, css)).longValue();
    }

    /// {@return texts whose contrast with what is behind them is less than WCAG 2.2 asks for at level AA}
    Object faintTexts() {
        return script("""
                const channels = colour => colour.match(/[\\d.]+/g).map(Number);
                const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
                    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
                const ground = element => {
                  for (let e = element; e; e = e.parentElement) {
                    const colour = channels(getComputedStyle(e).backgroundColor);
                    if (colour.length === 3 || colour[3] === 1) return colour;
                  }
                  return [255, 255, 255];
                };
                return [...document.querySelectorAll("body *")].filter(element =>
                    [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
                    && element.checkVisibility() && !element.closest(":disabled, .unseen, .skip, option"))
                  .map(element => {
                    const [one, other] = [channels(getComputedStyle(element).color), ground(element)].map(luminance)
                        .sort((a, b) => b - a);
                    return [(one + 0.05) / (other + 0.05), element.textContent.trim()];
                  })
                  .filter(([contrast]) => contrast < 4.5)
                  .map(([contrast, text]) => `${text}: ${contrast.toFixed(2)}`);
                """);
    }

    /// {@return controls that a screen reader has no name for}
    Object namelessControls() {
        return script("""
                return [...document.querySelectorAll("button, input, select, a, canvas.map, progress")]
                  .filter(e => e.checkVisibility())
                  .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length))
                  .map(e => e.outerHTML);
                """);
    }

    void screenshot(String name) throws IOException {
        Files.createDirectories(SCREENSHOTS);
        Files.write(SCREENSHOTS.resolve(name + ".png"), driver.getScreenshotAs(OutputType.BYTES));
    }

    /// {@return what the browser has found wrong since this was asked last, but for answers that the page shows}
    List<String> complaints() {
        readLog();
        List<String> complaints = log.stream()
                .filter(message -> !message.contains(ANSWERED + "4"))
                .toList();
        log.removeAll(complaints);
        return complaints;
    }

    /// {@return the requests that were answered with 403 since this was asked last}
    List<String> refused() {
        readLog();
        List<String> refused = log.stream()
                .filter(message -> message.contains(ANSWERED + "403"))
                .toList();
        log.removeAll(refused);
        return refused;
    }

    /// Reading it empties the browser's own.
    private void readLog() {
        driver.manage().logs().get(LogType.BROWSER).getAll().stream()
                .filter(entry -> entry.getLevel().intValue() >= Level.WARNING.intValue())
                .map(LogEntry::getMessage)
                .forEach(log::add);
    }

    @Override
    public void close() {
        driver.quit();
    }
}
