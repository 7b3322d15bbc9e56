package dev.dormouse.catalog;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;

/// Brings a database from the version that it has to the newest, a step at a time, each in one transaction. Steps that
/// were released never change. Only what SQLite and PostgreSQL both understand.
final class Migrations {
    /// The database was written by a newer Dormouse.
    static final class NewerException extends Exception {
        private static final long serialVersionUID = 1L;

        NewerException(int version) {
            super("has version %d, this Dormouse knows up to %d".formatted(version, STEPS.size()));
        }
    }

    private static final List<String> FIRST = List.of(
            """
            CREATE TABLE vm (
                name TEXT PRIMARY KEY, memory_bytes BIGINT NOT NULL,
                first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL)""",
            """
            CREATE TABLE image (
                id TEXT PRIMARY KEY, image_bytes BIGINT NOT NULL,
                first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL)""",
            """
            CREATE TABLE history (
                id BIGINT PRIMARY KEY, vm TEXT NOT NULL, time BIGINT NOT NULL,
                kind TEXT NOT NULL, outcome TEXT NOT NULL, source TEXT NOT NULL,
                operation TEXT, error TEXT, image TEXT,
                duration_millis BIGINT, guest_runs_millis BIGINT, paused_millis BIGINT,
                image_bytes BIGINT, memory_bytes BIGINT, non_zero_bytes BIGINT,
                stored_bytes BIGINT, duplicate_bytes BIGINT, on_disk_bytes BIGINT,
                demanded_pages BIGINT, prefetched_pages BIGINT,
                demand_micros_p50 BIGINT, demand_micros_p99 BIGINT)""",
            "CREATE INDEX history_of_vm ON history (vm, id)",
            """
            CREATE TABLE visit (
                id BIGINT PRIMARY KEY, vm TEXT NOT NULL, front TEXT NOT NULL, peer TEXT NOT NULL, time BIGINT NOT NULL,
                reached_millis BIGINT, first_bytes_millis BIGINT, duration_millis BIGINT NOT NULL, error TEXT)""",
            "CREATE INDEX visit_of_vm ON visit (vm, id)",
            """
            CREATE TABLE host_sample (
                time BIGINT PRIMARY KEY, vms BIGINT NOT NULL, awake_vms BIGINT NOT NULL, awake_bytes BIGINT NOT NULL,
                given_back_bytes BIGINT NOT NULL, image_bytes BIGINT NOT NULL)""");

    private static final List<String> RESPONSIVENESS =
            List.of("ALTER TABLE history ADD COLUMN responsive_millis_estimate BIGINT");
    private static final List<String> OPERATIONS = List.of(
            """
            CREATE TABLE operation (
                id BIGINT PRIMARY KEY, operation TEXT NOT NULL UNIQUE, vm TEXT NOT NULL,
                kind TEXT NOT NULL, state TEXT NOT NULL,
                created BIGINT NOT NULL, started BIGINT, ended BIGINT,
                guest_runs_millis BIGINT, responsive_millis_estimate BIGINT, done BIGINT, total BIGINT,
                continued_by TEXT, result TEXT, error TEXT)""",
            "CREATE INDEX operation_of_vm ON operation (vm, id)",
            "CREATE INDEX operation_under_way ON operation (id) WHERE ended IS NULL");
    private static final List<List<String>> STEPS = List.of(FIRST, RESPONSIVENESS, OPERATIONS);

    private Migrations() {}

    /// @param connection commits by itself
    static void run(Connection connection) throws SQLException, NewerException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
            int version = version(statement);
            if (version > STEPS.size()) {
                throw new NewerException(version);
            }
            for (int next = version; next < STEPS.size(); next++) {
                step(connection, statement, next);
            }
        }
    }

    private static int version(Statement statement) throws SQLException {
        try (ResultSet rows = statement.executeQuery("SELECT MAX(version) FROM schema_version")) {
            return rows.next() ? rows.getInt(1) : 0;
        }
    }

    private static void step(Connection connection, Statement statement, int from) throws SQLException {
        connection.setAutoCommit(false);
        try {
            for (String sql : STEPS.get(from)) {
                statement.execute(sql);
            }
            statement.execute("INSERT INTO schema_version (version) VALUES (%d)".formatted(from + 1));
            connection.commit();
        } catch (SQLException e) {
            connection.rollback();
            throw e;
        } finally {
            connection.setAutoCommit(true);
        }
    }
}
