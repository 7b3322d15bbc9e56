package dev.dormouse.catalog;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Reads the columns of a row one after the other.
final class Row {
    private final ResultSet columns;
    private int read;

    Row(ResultSet columns) {
        this.columns = columns;
    }

    /// Sets the parameters of a statement, in their order.
    static void bind(PreparedStatement statement, @Nullable Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            statement.setObject(i + 1, values[i]);
        }
    }

    /// {@return milliseconds since 1970, which every database has}
    static long millis(String time) {
        return Instant.parse(time).toEpochMilli();
    }

    long number() throws SQLException {
        return columns.getLong(++read);
    }

    @Nullable
    Long perhaps() throws SQLException {
        long value = number();
        return columns.wasNull() ? null : value;
    }

    String text() throws SQLException {
        return columns.getString(++read);
    }

    @Nullable
    String perhapsText() throws SQLException {
        return columns.getString(++read);
    }

    String time() throws SQLException {
        return Instant.ofEpochMilli(number()).toString();
    }
}
