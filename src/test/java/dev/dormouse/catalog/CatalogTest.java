package dev.dormouse.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CatalogTest {
    @TempDir
    Path folder;

    private final List<String> told = new ArrayList<>();

    private Catalog open() throws CatalogException {
        return open(Clock.systemUTC());
    }

    private Catalog open(Clock clock) throws CatalogException {
        var retention = new Catalog.Retention(3, 5, 4, Duration.ofDays(1));
        return Catalog.open(folder.resolve("catalog.db"), clock, retention, told::add);
    }

    private static HistoryItem suspend(String vm, String time) {
        return suspend(vm, time, "daemon");
    }

    private static HistoryItem suspendByCommand(String vm, String time) {
        return suspend(vm, time, "command");
    }

    private static HistoryItem suspend(String vm, String time, String source) {
        return new HistoryItem(
                0,
                vm,
                time,
                "suspend",
                "succeeded",
                source,
                "op-1",
                null,
                vm + "-image",
                2000L,
                null,
                null,
                300L,
                4_000_000L,
                1L << 30,
                900_000_000L,
                500_000_000L,
                100_000_000L,
                300_000_000L,
                null,
                null,
                null,
                null);
    }

    @Test
    void tellsWhatWasTheNewestFirstAlsoWhenItIsOpenedAgain() throws Exception {
        try (Catalog catalog = open()) {
            catalog.add(suspend("web", "2026-11-28T20:00:00Z"));
            catalog.add(suspend("web", "2026-11-28T20:00:00.500Z"));
            catalog.add(suspend("db", "2026-11-28T21:00:00Z"));
            catalog.add(new Visit(0, "web", "vnc", "127.0.0.1:4000", "2026-11-28T20:00:00Z", 5L, null, 9, null));
            catalog.add(suspend("jump", "2026-11-28T23:00:00Z"));
            catalog.add(suspend("jump", "2026-11-28T01:00:00Z")); // The host's clock was set back.
            catalog.seenVm("web", 1 << 20);
            catalog.seenVm("web", 2 << 20);
        }

        try (Catalog catalog = open()) {
            List<HistoryItem> items = catalog.history("web", Long.MAX_VALUE, 10);
            assertThat(items)
                    .extracting(HistoryItem::time)
                    .containsExactly("2026-11-28T20:00:00.500Z", "2026-11-28T20:00:00Z");
            assertThat(items.getLast())
                    .usingRecursiveComparison()
                    .ignoringFields("id")
                    .isEqualTo(suspend("web", "2026-11-28T20:00:00Z"));
            assertThat(catalog.history("web", items.getFirst().id(), 10)).containsExactly(items.getLast());
            assertThat(catalog.history("jump", Long.MAX_VALUE, 1))
                    .extracting(HistoryItem::time)
                    .containsExactly("2026-11-28T01:00:00Z");
            assertThat(catalog.visits("web", Long.MAX_VALUE, 10))
                    .containsExactly(
                            new Visit(1, "web", "vnc", "127.0.0.1:4000", "2026-11-28T20:00:00Z", 5L, null, 9, null));
            assertThat(catalog.lastSeenVm("web")).isPresent();
            assertThat(catalog.lastSeenVm("nemo")).isEmpty();
        }
        assertThat(told).isEmpty();
    }

    @Test
    void forgetsTheOldestOfEachVmAndOfAll() throws Exception {
        try (Catalog catalog = open()) {
            for (int i = 0; i < 5; i++) {
                catalog.add(suspend("a", "2026-11-28T20:00:0%dZ".formatted(i)));
                catalog.add(new HostSample("2026-11-28T20:00:0%dZ".formatted(i), 3, 1, 1, 2, 3));
            }
            assertThat(catalog.history("a", Long.MAX_VALUE, 10)).hasSize(3);
            for (int i = 0; i < 4; i++) {
                catalog.add(suspend("b" + i, "2026-11-28T20:01:0%dZ".formatted(i)));
            }
            catalog.add(new HostSample("2099-01-01T00:00:00Z", 3, 1, 1, 2, 3)); // The host's clock was set back.
            catalog.forgetOldest();
            assertThat(catalog.samples(null, 1)).extracting(HostSample::time).containsExactly("2099-01-01T00:00:00Z");
            catalog.add(new HostSample("2026-11-28T20:00:00Z", 3, 1, 1, 2, 3));
            catalog.forgetOldest();

            assertThat(catalog.history("a", Long.MAX_VALUE, 10))
                    .extracting(HistoryItem::time)
                    .containsExactly("2026-11-28T20:00:04Z");
            assertThat(catalog.samples(null, 10))
                    .extracting(HostSample::time)
                    .startsWith("2026-11-28T20:00:04Z")
                    .hasSize(4);
            assertThat(catalog.samples("2026-11-28T20:00:04Z", 1))
                    .extracting(HostSample::time)
                    .containsExactly("2026-11-28T20:00:03Z");
        }
    }

    @Test
    void aHostThatIsBootedWithItsClockFarBehindForgetsNoSamples() throws Exception {
        try (Catalog catalog = open(Clock.fixed(Instant.EPOCH, ZoneOffset.UTC))) {
            catalog.add(new HostSample("2026-11-28T20:00:00Z", 3, 1, 1, 2, 3));

            catalog.forgetOldest();

            assertThat(catalog.samples(null, 10)).hasSize(1);
        }
    }

    @Test
    void knowsWhatOfACommandItHas() throws Exception {
        try (Catalog catalog = open()) {
            catalog.add(suspend("web", "2026-11-28T20:00:02Z")); // Of the daemon.
            catalog.add(suspendByCommand("web", "2026-11-28T20:10:00.123Z"));

            assertThat(catalog.hasOfCommand("web", "suspend", "2026-11-28T20:10:00.123Z"))
                    .isTrue();
            assertThat(catalog.hasOfCommand("web", "suspend", "2026-11-28T20:10:00.124Z"))
                    .isFalse();
            assertThat(catalog.hasOfCommand("web", "suspend", "2026-11-28T20:00:02Z"))
                    .isFalse();
            assertThat(catalog.hasOfCommand("web", "resume", "2026-11-28T20:10:00.123Z"))
                    .isFalse();
            assertThat(catalog.hasOfCommand("db", "suspend", "2026-11-28T20:10:00.123Z"))
                    .isFalse();
        }
    }

    @Test
    void knowsUpToWhenItHasForgottenWhatWasDoneWithAVm() throws Exception {
        try (Catalog catalog = open()) {
            catalog.add(suspendByCommand("web", "2026-11-28T20:00:01Z"));
            catalog.add(suspendByCommand("web", "2026-11-28T20:00:02Z"));
            assertThat(catalog.forgottenBefore("web")).isEmpty();
            catalog.add(suspend("web", "2026-11-28T20:00:03Z"));
            catalog.add(suspend("web", "2026-11-28T20:00:04Z"));
            assertThat(catalog.forgottenBefore("web")).contains("2026-11-28T20:00:02Z");
            assertThat(catalog.forgottenBefore("db")).isEmpty();

            for (int i = 5; i <= 9; i++) {
                catalog.add(suspend("b" + i, "2026-11-28T20:00:0%dZ".formatted(i)));
            }
            catalog.forgetOldest();

            assertThat(catalog.history("web", Long.MAX_VALUE, 10)).isEmpty();
            assertThat(catalog.forgottenBefore("web")).contains("2026-11-28T20:00:05Z");
        }
    }

    @Test
    void putsAsideWhatIsNoCatalogAndBeginsANewOne() throws Exception {
        Files.writeString(
                folder.resolve("catalog.db"),
                "this is no database at all, but long enough to look like a header".repeat(200));

        try (Catalog catalog = open()) {
            catalog.add(suspend("web", "2026-11-28T20:00:00Z"));
            assertThat(catalog.history("web", Long.MAX_VALUE, 10)).hasSize(1);
        }
        assertThat(told).singleElement().asString().contains("is damaged", "a new one is begun");
        assertThat(aside()).hasSize(1);
    }

    @Test
    void putsAsideWhatANewerDormouseWrote() throws Exception {
        open().close();
        try (Connection newer = DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("catalog.db"));
                Statement statement = newer.createStatement()) {
            statement.execute("INSERT INTO schema_version (version) VALUES (99)");
        }

        try (Catalog catalog = open()) {
            assertThat(catalog.history("web", Long.MAX_VALUE, 10)).isEmpty();
        }
        assertThat(told).singleElement().asString().contains("has version 99, this Dormouse knows up to 3");
        assertThat(aside()).hasSize(1);
    }

    /// The files are as each version wrote them.
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void bringsOneOfAnEarlierVersionUpToDateAndKeepsWhatIsInIt(int version) throws Exception {
        String first;
        try (InputStream sql = CatalogTest.class.getResourceAsStream("/golden/catalog/v%d.sql".formatted(version))) {
            first = new String(sql.readAllBytes(), StandardCharsets.UTF_8);
        }
        try (Connection old = DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("catalog.db"));
                Statement statement = old.createStatement()) {
            for (String sql : first.split(";\n")) {
                statement.execute(sql);
            }
        }
        Long responsive = version == 1 ? null : 480L;

        for (int opened = 1; opened <= 2; opened++) {
            try (Catalog catalog = open()) {
                List<HistoryItem> items = catalog.history("web", Long.MAX_VALUE, 10);
                assertThat(items).extracting(HistoryItem::kind).endsWith("resume", "suspend");
                HistoryItem resume = items.get(items.size() - 2);
                assertThat(resume.guestRunsMillis()).isEqualTo(350);
                assertThat(resume.responsiveMillisEstimate()).isEqualTo(responsive);
                assertThat(resume.pausedMillis()).isNull();
                assertThat(resume.demandMicrosP99()).isEqualTo(1900);
                assertThat(items.getLast().pausedMillis()).isEqualTo(300);
                assertThat(catalog.visits("web", Long.MAX_VALUE, 10)).hasSize(1);
                assertThat(catalog.samples(null, 10)).hasSize(1);
                assertThat(catalog.lastSeenImage("web-20251124-160000")).contains("2025-11-24T16:01:00Z");
            }
        }
        try (Catalog catalog = open()) {
            assertThat(catalog.operations(null, Long.MAX_VALUE, 10)).isEmpty();
            catalog.add(resume("web", 490L));
            catalog.put(begun("op-4", "web"));
            assertThat(catalog.history("web", Long.MAX_VALUE, 10))
                    .extracting(HistoryItem::responsiveMillisEstimate)
                    .containsExactly(490L, responsive, null);
            assertThat(catalog.operation("op-4")).isPresent();
        }
        assertThat(told).isEmpty();
        assertThat(aside()).isEmpty();
    }

    private static OperationRecord begun(String operation, String vm) {
        return new OperationRecord(
                0,
                operation,
                vm,
                "suspend",
                "queued",
                "2026-11-28T20:00:00.250Z",
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

    private static OperationRecord ended(long id, String operation, String vm) {
        return new OperationRecord(
                id,
                operation,
                vm,
                "suspend",
                "failed",
                "2026-11-28T20:00:00.250Z",
                "2026-11-28T20:00:01Z",
                "2026-11-28T20:00:02Z",
                1L,
                2L,
                3L,
                4L,
                "op-9",
                "{}",
                "{\"status\":500}");
    }

    @Test
    void anOperationIsWrittenWhenItBeginsAndAgainWhenItEnds() throws Exception {
        try (Catalog catalog = open()) {
            catalog.put(begun("op-1", "web"));
            catalog.put(begun("op-2", "db"));
            assertThat(catalog.underWay())
                    .extracting(OperationRecord::operation)
                    .containsExactly("op-1", "op-2");
        }
        try (Catalog catalog = open()) {
            assertThat(catalog.operation("op-1"))
                    .get()
                    .usingRecursiveComparison()
                    .ignoringFields("id")
                    .isEqualTo(begun("op-1", "web"));
            catalog.put(ended(0, "op-1", "web"));
            catalog.put(ended(0, "op-3", "web")); // Of which nobody could write down that it began.

            assertThat(catalog.underWay())
                    .extracting(OperationRecord::operation)
                    .containsExactly("op-2");
            assertThat(catalog.operations(null, Long.MAX_VALUE, 10))
                    .extracting(OperationRecord::operation)
                    .containsExactly("op-3", "op-2", "op-1");
            assertThat(catalog.operations(null, 3, 1))
                    .extracting(OperationRecord::operation)
                    .containsExactly("op-2");
            assertThat(catalog.operations(List.of("web"), Long.MAX_VALUE, 10))
                    .containsExactly(ended(3, "op-3", "web"), ended(1, "op-1", "web"));
            assertThat(catalog.operations(List.of("web", "db", "nemo"), 3, 10))
                    .extracting(OperationRecord::operation)
                    .containsExactly("op-2", "op-1");
            assertThat(catalog.operations(List.of(), Long.MAX_VALUE, 10)).isEmpty();
            assertThat(catalog.vmsOfOperations()).containsExactlyInAnyOrder("web", "db");
            assertThat(catalog.operation("op-4")).isEmpty();
        }
    }

    @Test
    void forgetsTheOldestOperationsOfEachVmAndOfAll() throws Exception {
        try (Catalog catalog = open()) {
            for (int i = 1; i <= 5; i++) {
                catalog.put(ended(0, "a-" + i, "a"));
            }
            assertThat(catalog.operations(List.of("a"), Long.MAX_VALUE, 10))
                    .extracting(OperationRecord::operation)
                    .containsExactly("a-5", "a-4", "a-3");
            for (int i = 1; i <= 4; i++) {
                catalog.put(ended(0, "b-" + i, "b" + i));
            }
            catalog.forgetOldest();

            assertThat(catalog.operations(null, Long.MAX_VALUE, 10))
                    .extracting(OperationRecord::operation)
                    .containsExactly("b-4", "b-3", "b-2", "b-1", "a-5");
        }
    }

    private static HistoryItem resume(String vm, @Nullable Long responsiveMillis) {
        return new HistoryItem(
                0,
                vm,
                "2026-11-30T08:00:00Z",
                "resume",
                "succeeded",
                "daemon",
                "op-3",
                null,
                null,
                900L,
                350L,
                responsiveMillis,
                null,
                null,
                1L << 26,
                30_000_000L,
                20_000_000L,
                5_000_000L,
                5_000_000L,
                120L,
                7000L,
                210L,
                1900L);
    }

    @Test
    void aDatabaseThatIsDamagedWhileItIsUsedCostsOneCall() throws Exception {
        try (Catalog catalog = open()) {
            try (Connection vandal = DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("catalog.db"));
                    Statement statement = vandal.createStatement()) {
                statement.execute("PRAGMA writable_schema = ON");
                statement.execute("UPDATE sqlite_master SET sql = 'nonsense' WHERE name = 'history'");
                statement.execute("PRAGMA schema_version = 99");
            }
            assertThatThrownBy(() -> catalog.add(suspend("web", "2026-11-28T20:00:00Z")))
                    .isInstanceOf(CatalogException.class)
                    .hasMessageContaining("VMs are not affected");

            catalog.add(suspend("web", "2026-11-28T20:00:00Z"));
            assertThat(catalog.history("web", Long.MAX_VALUE, 10)).hasSize(1);
        }
        assertThat(aside()).hasSize(1);
    }

    @Test
    void saysWhyItCannotBeOpened() throws Exception {
        Files.createDirectories(folder.resolve("catalog.db"));

        assertThatThrownBy(this::open)
                .isInstanceOf(CatalogException.class)
                .hasMessageContaining("catalog.db: cannot be used: ");
        assertThat(aside()).isEmpty();
    }

    private List<Path> aside() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().matches("catalog\\.db\\.aside-[0-9TZ.-]+"))
                    .toList();
        }
    }
}
