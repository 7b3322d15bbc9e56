package dev.dormouse.catalog;

import java.lang.reflect.RecordComponent;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The columns of a table, which are the components of a record: `imageBytes` is the column `image_bytes`. Times, ISO
/// 8601, are kept as milliseconds since 1970, which every database has.
final class Columns<T extends Record> {
    private static final Set<String> TIMES = Set.of("time", "created", "started", "ended");

    private final Class<T> type;
    private final List<RecordComponent> components;

    Columns(Class<T> type) {
        this.type = type;
        components = Arrays.asList(type.getRecordComponents());
    }

    /// {@return the names of all columns, with commas between them}
    String names() {
        return String.join(", ", components.stream().map(Columns::column).toList());
    }

    /// {@return what stands for the values of a new row: question marks, and for an `id` the next one of the table}
    String parameters(String table) {
        String next = "(SELECT COALESCE(MAX(id), 0) + 1 FROM %s)".formatted(table);
        return String.join(
                ", ",
                components.stream()
                        .map(component -> isId(component) ? next : "?")
                        .toList());
    }

    /// {@return what a row takes over from one that was to be added: all but its `id`, and the column by which
    /// both are the same}
    String changes(String key) {
        return String.join(
                ", ",
                components.stream()
                        .filter(component -> !isId(component))
                        .map(Columns::column)
                        .filter(column -> !column.equals(key))
                        .map(column -> column + " = excluded." + column)
                        .toList());
    }

    private static boolean isTime(RecordComponent component) {
        return TIMES.contains(component.getName());
    }

    private static boolean isId(RecordComponent component) {
        return component.getName().equals("id");
    }

    private static String column(RecordComponent component) {
        return component.getName().replaceAll("([A-Z0-9]+)", "_$1").toLowerCase(Locale.ROOT);
    }

    /// {@return the values for the question marks}
    @Nullable
    Object[] values(T item) {
        var values = new ArrayList<@Nullable Object>();
        for (RecordComponent component : components) {
            Object value = get(component, item);
            if (!isId(component)) {
                values.add(value instanceof String time && isTime(component) ? (Object) millis(time) : value);
            }
        }
        return values.toArray();
    }

    private static @Nullable Object get(RecordComponent component, Object item) {
        try {
            return component.getAccessor().invoke(item);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e); // Public records of this package.
        }
    }

    /// {@return what a row says that has these columns in this order}
    T read(ResultSet row) throws SQLException {
        var types = new Class<?>[components.size()];
        var values = new Object[components.size()];
        for (int i = 0; i < types.length; i++) {
            types[i] = components.get(i).getType();
            values[i] = value(row, i + 1, components.get(i));
        }
        try {
            return type.getDeclaredConstructor(types).newInstance(values);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static @Nullable Object value(ResultSet row, int column, RecordComponent component) throws SQLException {
        if (component.getType() == String.class && !isTime(component)) {
            return row.getString(column);
        }
        long value = row.getLong(column);
        if (row.wasNull()) {
            return null;
        }
        if (isTime(component)) {
            return Instant.ofEpochMilli(value).toString();
        }
        return component.getType() == int.class ? (Object) Math.toIntExact(value) : (Object) value;
    }

    static long millis(String time) {
        return Instant.parse(time).toEpochMilli();
    }
}
