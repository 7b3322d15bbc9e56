package dev.dormouse.catalog;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What was, in an SQL database. Any thread; each call has the database for itself.
///
/// Every method throws [CatalogException] if the database cannot be used. One that turns out to be damaged is put
/// aside, and a new one begun: the call that found it fails, the next one does not.
public final class Catalog implements AutoCloseable {
    private static final Columns<HistoryItem> HISTORY = new Columns<>(HistoryItem.class);
    private static final Columns<OperationRecord> OPERATION = new Columns<>(OperationRecord.class);
    private static final Columns<Visit> VISIT = new Columns<>(Visit.class);
    private static final Columns<HostSample> SAMPLE = new Columns<>(HostSample.class);
    private static final long FUTURE_MILLIS = 3_600_000;

    /// How much is kept of everything, the newest.
    ///
    /// @param ofVm items of the history of one VM, operations on it, and visits to it
    /// @param inAll items of the history, operations, and visits
    /// @param samples of the host
    /// @param gone how long VMs and images are known that are no more
    public record Retention(int ofVm, int inAll, int samples, Duration gone) {
        /// A week of samples, one for each minute.
        public static final Retention DEFAULT = new Retention(1_000, 100_000, 10_080, Duration.ofDays(400));
    }

    /// Reads one row.
    @FunctionalInterface
    private interface Reader<T> {
        T read(ResultSet row) throws SQLException;
    }

    /// Does something with the database.
    @FunctionalInterface
    private interface Use<T> {
        T with(Connection connection) throws SQLException;
    }

    private final Database database;
    private final Clock clock;
    private final Retention retention;
    private long tidiedMillis = Long.MAX_VALUE - FUTURE_MILLIS; // Guarded by this.

    private Catalog(Database database, Clock clock, Retention retention) {
        this.database = database;
        this.clock = clock;
        this.retention = retention;
    }

    /// Opens it, or begins a new one. Takes some hundred milliseconds.
    ///
    /// @param told of a database that was put aside, in one line
    public static Catalog open(Path file, Clock clock, Retention retention, Consumer<String> told)
            throws CatalogException {
        return new Catalog(Database.open(file, told), clock, retention);
    }

    private synchronized <T> T use(Use<T> use) throws CatalogException {
        try {
            return use.with(database.connection());
        } catch (SQLException e) {
            throw database.failed(e);
        }
    }

    private static String time(ResultSet row) throws SQLException {
        return Instant.ofEpochMilli(row.getLong(1)).toString();
    }

    private static void bind(PreparedStatement statement, @Nullable Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            statement.setObject(i + 1, values[i]);
        }
    }

    private static void update(Connection connection, String sql, @Nullable Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            bind(statement, values);
            statement.executeUpdate();
        }
    }

    private <T> List<T> query(Reader<T> reader, String sql, @Nullable Object... values) throws CatalogException {
        return use(connection -> {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                bind(statement, values);
                var found = new ArrayList<T>();
                try (ResultSet rows = statement.executeQuery()) {
                    while (rows.next()) {
                        found.add(reader.read(rows));
                    }
                }
                return found;
            }
        });
    }

    private <T extends Record> void insert(String table, Columns<T> columns, String vm, T item)
            throws CatalogException {
        insert(table, columns, vm, item, "");
    }

    /// Adds a row of a VM with the next id, whatever its own is, and forgets the oldest of that VM.
    ///
    /// @param conflict what to do if there is one already, in SQL
    private <T extends Record> void insert(String table, Columns<T> columns, String vm, T item, String conflict)
            throws CatalogException {
        use(connection -> {
            update(
                    connection,
                    "INSERT INTO %s (%s) VALUES (%s) %s"
                            .formatted(table, columns.names(), columns.parameters(table), conflict),
                    columns.values(item));
            update(
                    connection,
                    "DELETE FROM %1$s WHERE vm = ? AND id <= (SELECT id FROM %1$s WHERE vm = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
                            .formatted(table),
                    vm,
                    vm,
                    retention.ofVm());
            return null;
        });
    }

    /// Adds it, with the next id.
    public void add(HistoryItem item) throws CatalogException {
        insert("history", HISTORY, item.vm(), item);
    }

    /// {@return what was done with a VM, the newest first}
    ///
    /// @param before only what has a smaller id
    public List<HistoryItem> history(String vm, long before, int limit) throws CatalogException {
        return query(
                HISTORY::read,
                "SELECT %s FROM history WHERE vm = ? AND id < ? ORDER BY id DESC LIMIT ?".formatted(HISTORY.names()),
                vm,
                before,
                limit);
    }

    /// {@return up to when something that was done with a VM may have been in its history, and was forgotten because
    /// there was too much; empty if nothing was} The time, ISO 8601, of the earliest item that is kept.
    public Optional<String> forgottenBefore(String vm) throws CatalogException {
        return query(Catalog::time, """
                        SELECT earliest FROM (
                            SELECT MIN(time) AS earliest FROM history WHERE vm = ?
                                AND (SELECT COUNT(*) FROM history WHERE vm = ?) >= ?
                            UNION ALL
                            SELECT MIN(time) AS earliest FROM history
                                WHERE (SELECT MAX(id) FROM history) > ?) AS kept
                        WHERE earliest IS NOT NULL ORDER BY earliest DESC LIMIT 1""", vm, vm, retention.ofVm(), retention.inAll()).stream()
                .findFirst();
    }

    /// {@return whether the history has something of that kind by a command that ended then}
    ///
    /// @param time ISO 8601
    public boolean hasOfCommand(String vm, String kind, String time) throws CatalogException {
        return !query(
                        row -> row.getInt(1),
                        "SELECT 1 FROM history WHERE vm = ? AND kind = ? AND source = 'command' AND time = ? LIMIT 1",
                        vm,
                        kind,
                        Columns.millis(time))
                .isEmpty();
    }

    /// Adds it, with the next id, or takes over what has become of it since it was added.
    public void put(OperationRecord operation) throws CatalogException {
        insert(
                "operation",
                OPERATION,
                operation.vm(),
                operation,
                "ON CONFLICT (operation) DO UPDATE SET " + OPERATION.changes("operation"));
    }

    /// @param operation its id for clients
    public Optional<OperationRecord> operation(String operation) throws CatalogException {
        return query(
                        OPERATION::read,
                        "SELECT %s FROM operation WHERE operation = ?".formatted(OPERATION.names()),
                        operation)
                .stream()
                .findFirst();
    }

    /// {@return operations, the newest first}
    ///
    /// @param vms only those on them; null for those on all
    /// @param before only what has a smaller id
    public List<OperationRecord> operations(@Nullable List<String> vms, long before, int limit)
            throws CatalogException {
        var values = new ArrayList<Object>(vms == null ? List.of() : vms);
        values.add(before);
        values.add(limit);
        String parameters = String.join(", ", Collections.nCopies(vms == null ? 0 : vms.size(), "?"));
        return vms != null && vms.isEmpty()
                ? List.of() // PostgreSQL has no empty IN.
                : query(
                        OPERATION::read,
                        "SELECT %s FROM operation WHERE %s id < ? ORDER BY id DESC LIMIT ?"
                                .formatted(OPERATION.names(), vms == null ? "" : "vm IN (" + parameters + ") AND"),
                        values.toArray());
    }

    /// {@return the names of all VMs that operations were on}
    public List<String> vmsOfOperations() throws CatalogException {
        return query(row -> row.getString(1), "SELECT DISTINCT vm FROM operation");
    }

    /// {@return the operations whose end is not written down, the oldest first}
    public List<OperationRecord> underWay() throws CatalogException {
        return query(
                OPERATION::read,
                "SELECT %s FROM operation WHERE ended IS NULL ORDER BY id".formatted(OPERATION.names()));
    }

    public void add(Visit visit) throws CatalogException {
        insert("visit", VISIT, visit.vm(), visit);
    }

    /// {@return the clients that a VM had, those that went last first}
    public List<Visit> visits(String vm, long before, int limit) throws CatalogException {
        return query(
                VISIT::read,
                "SELECT %s FROM visit WHERE vm = ? AND id < ? ORDER BY id DESC LIMIT ?".formatted(VISIT.names()),
                vm,
                before,
                limit);
    }

    /// Adds it, in the place of one of the same millisecond.
    public void add(HostSample sample) throws CatalogException {
        use(connection -> {
            update(connection, "DELETE FROM host_sample WHERE time = ?", Columns.millis(sample.time()));
            update(
                    connection,
                    "INSERT INTO host_sample (%s) VALUES (%s)"
                            .formatted(SAMPLE.names(), SAMPLE.parameters("host_sample")),
                    SAMPLE.values(sample));
            return null;
        });
    }

    /// {@return what the host was like, the newest first}
    ///
    /// @param before only what was earlier, ISO 8601; null for the newest
    public List<HostSample> samples(@Nullable String before, int limit) throws CatalogException {
        return query(
                SAMPLE::read,
                "SELECT %s FROM host_sample WHERE time < ? ORDER BY time DESC LIMIT ?".formatted(SAMPLE.names()),
                before == null ? Long.MAX_VALUE : Columns.millis(before),
                limit);
    }

    /// Notes that there is such a VM now.
    public void seenVm(String name, long memoryBytes) throws CatalogException {
        seen("vm", "name", "memory_bytes", name, memoryBytes);
    }

    /// Notes that there is such an image now.
    public void seenImage(String id, long imageBytes) throws CatalogException {
        seen("image", "id", "image_bytes", id, imageBytes);
    }

    private void seen(String table, String key, String figure, String id, long bytes) throws CatalogException {
        long now = clock.millis();
        use(connection -> {
            update(
                    connection,
                    "INSERT INTO %1$s (%2$s, %3$s, first_seen, last_seen) VALUES (?, ?, ?, ?) ON CONFLICT (%2$s) DO UPDATE SET %3$s = excluded.%3$s, last_seen = excluded.last_seen"
                            .formatted(table, key, figure),
                    id,
                    bytes,
                    now,
                    now);
            return null;
        });
    }

    /// {@return when there was such a VM last, ISO 8601}
    public Optional<String> lastSeenVm(String name) throws CatalogException {
        return query(Catalog::time, "SELECT last_seen FROM vm WHERE name = ?", name).stream()
                .findFirst();
    }

    /// {@return when there was such an image last, ISO 8601}
    public Optional<String> lastSeenImage(String id) throws CatalogException {
        return query(Catalog::time, "SELECT last_seen FROM image WHERE id = ?", id).stream()
                .findFirst();
    }

    /// Forgets what is too old or too much. To be called now and then. What is of the future is forgotten only if it
    /// was so at the call before, too: the clock of a host that was just booted may be far behind.
    public void forgetOldest() throws CatalogException {
        long now = clock.millis();
        long gone = now - retention.gone().toMillis();
        use(connection -> {
            for (String table : List.of("history", "operation", "visit")) {
                update(
                        connection,
                        "DELETE FROM %1$s WHERE id <= (SELECT MAX(id) FROM %1$s) - ?".formatted(table),
                        retention.inAll());
            }
            // Of a clock that was wrong: they would count as the newest ones, and the newest as too old.
            update(connection, "DELETE FROM host_sample WHERE time > ?", Math.max(now, tidiedMillis) + FUTURE_MILLIS);
            tidiedMillis = now;
            update(
                    connection,
                    "DELETE FROM host_sample WHERE time NOT IN (SELECT time FROM host_sample ORDER BY time DESC LIMIT ?)",
                    retention.samples());
            update(connection, "DELETE FROM vm WHERE last_seen < ?", gone);
            update(connection, "DELETE FROM image WHERE last_seen < ?", gone);
            return null;
        });
    }

    @Override
    public synchronized void close() {
        database.close();
    }
}
