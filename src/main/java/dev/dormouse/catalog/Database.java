package dev.dormouse.catalog;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.sqlite.JDBC;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/// The file of the catalog, and the one connection to it. What is damaged, or of a newer version, gets another name
/// beside it. For one thread at a time.
final class Database {
    private static final String ASIDE = ".aside-";
    private static final int ASIDE_KEPT = 3;
    private static final List<String> PARTS = List.of("", "-wal", "-shm");

    private final Path file;
    private final Consumer<String> told;
    private @Nullable Connection connection;
    private boolean closed;

    private Database(Path file, Consumer<String> told) {
        this.file = file;
        this.told = told;
    }

    static Database open(Path file, Consumer<String> told) throws CatalogException {
        var database = new Database(file, told);
        try {
            database.connection();
            return database;
        } catch (SQLException e) {
            throw database.failed(e);
        }
    }

    /// {@return the connection, opened anew if it was lost}
    Connection connection() throws SQLException {
        if (closed) {
            throw new SQLException("closed");
        }
        Connection open = connection;
        if (open == null) {
            try {
                open = connect();
            } catch (Migrations.NewerException e) {
                putAside(e.getMessage());
                open = reconnect();
            } catch (SQLException e) {
                if (!isDamage(e) && !isForeign(e)) {
                    throw e;
                }
                putAside("is damaged: " + oneLine(e));
                open = reconnect();
            }
            connection = open;
        }
        return open;
    }

    private Connection reconnect() throws SQLException {
        try {
            return connect();
        } catch (Migrations.NewerException e) {
            throw new SQLException(e);
        }
    }

    private Connection connect() throws SQLException, Migrations.NewerException {
        Connection opened = JDBC.createConnection("jdbc:sqlite:" + file, new Properties());
        try {
            try (Statement statement = opened.createStatement()) {
                statement.execute("PRAGMA journal_mode = WAL");
                statement.execute("PRAGMA synchronous = NORMAL"); // A power failure may cost the last items.
                statement.execute("PRAGMA busy_timeout = 2000"); // Of whoever looks in with the program sqlite3.
                statement.execute("PRAGMA journal_size_limit = 4000000");
                check(statement);
            }
            Migrations.run(opened);
            return opened;
        } catch (SQLException | Migrations.NewerException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    private static void check(Statement statement) throws SQLException {
        try (ResultSet rows = statement.executeQuery("PRAGMA quick_check(1)")) {
            String found = rows.next() ? rows.getString(1) : "nothing";
            if (!"ok".equals(found)) {
                throw new SQLiteException(found, SQLiteErrorCode.SQLITE_CORRUPT);
            }
        }
    }

    /// Not a disk that is full or cannot be read: that may pass.
    private static boolean isDamage(SQLException e) {
        return e instanceof SQLiteException sqlite
                && switch (SQLiteErrorCode.getErrorCode(sqlite.getResultCode().code & 0xff)) {
                    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT -> true;
                    default -> false;
                };
    }

    /// {@return whether the file holds something that is no catalog of ours, when it is opened}
    private static boolean isForeign(SQLException e) {
        return e instanceof SQLiteException sqlite && sqlite.getResultCode() == SQLiteErrorCode.SQLITE_ERROR;
    }

    /// {@return what to tell; a database that is damaged is put aside before}
    CatalogException failed(SQLException e) {
        if (isDamage(e) && connection != null) {
            disconnect();
            try {
                putAside("is damaged: " + oneLine(e));
            } catch (SQLException again) {
                e.addSuppressed(again);
            }
        }
        return new CatalogException(
                "catalog %s: cannot be used: %s; VMs are not affected".formatted(file, oneLine(e)), e);
    }

    private void putAside(String reason) throws SQLException {
        Path aside = file.resolveSibling(
                file.getFileName() + ASIDE + Instant.now().toString().replace(":", ""));
        try {
            for (String part : PARTS) {
                Path from = file.resolveSibling(file.getFileName() + part);
                if (Files.exists(from)) {
                    Files.move(from, aside.resolveSibling(aside.getFileName() + part));
                }
            }
            removeOldest();
        } catch (IOException e) {
            throw new SQLException("it %s, and cannot be put aside: %s".formatted(reason, e), e);
        }
        told.accept("catalog %s: %s; it is %s now, a new one is begun".formatted(file, reason, aside.getFileName()));
    }

    /// One that is damaged again and again must not fill the disk.
    private void removeOldest() throws IOException {
        List<Path> aside;
        try (Stream<Path> files = Files.list(file.toAbsolutePath().getParent())) {
            aside = files.filter(path -> path.getFileName().toString().startsWith(file.getFileName() + ASIDE))
                    .filter(path -> PARTS.stream()
                            .skip(1)
                            .noneMatch(part -> path.getFileName().toString().endsWith(part)))
                    .sorted(Comparator.reverseOrder())
                    .toList();
        }
        for (Path old : aside.subList(Math.min(ASIDE_KEPT, aside.size()), aside.size())) {
            for (String part : PARTS) {
                Files.deleteIfExists(old.resolveSibling(old.getFileName() + part));
            }
        }
    }

    private static String oneLine(SQLException e) {
        return String.valueOf(e.getMessage()).strip().replaceAll("\\s*\\R\\s*", " ");
    }

    private void disconnect() {
        try {
            if (connection != null) {
                connection.close();
            }
        } catch (SQLException _) {
            // There is nothing more to lose.
        }
        connection = null;
    }

    void close() {
        closed = true;
        disconnect();
    }
}
