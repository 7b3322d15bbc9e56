package dev.dormouse.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Text in aligned columns. A heading that begins with `>` aligns its column to the right.
final class Table {
    private static final String GAP = "  ";
    private final boolean[] toTheRight;
    private final List<List<String>> rows = new ArrayList<>();

    Table(String... headings) {
        toTheRight = new boolean[headings.length];
        var row = new ArrayList<String>();
        for (int i = 0; i < headings.length; i++) {
            toTheRight[i] = headings[i].startsWith(">");
            row.add(toTheRight[i] ? headings[i].substring(1) : headings[i]);
        }
        rows.add(row);
    }

    /// {@return names and values below each other, without headings}
    static Table ofFacts() {
        var table = new Table("", "");
        table.rows.clear();
        return table;
    }

    /// Adds a row; null shows as `-`.
    Table row(@Nullable Object... cells) {
        if (cells.length != toTheRight.length) {
            throw new IllegalArgumentException(
                    "a row of %d cells in a table of %d columns".formatted(cells.length, toTheRight.length));
        }
        rows.add(Arrays.stream(cells)
                .map(cell -> cell == null ? "-" : PlainText.line(cell.toString()))
                .toList());
        return this;
    }

    @Override
    public String toString() {
        int[] widths = new int[toTheRight.length];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        var text = new StringBuilder();
        for (List<String> row : rows) {
            var line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String padding = " ".repeat(widths[i] - row.get(i).length());
                line.append(i == 0 ? "" : GAP).append(toTheRight[i] ? padding + row.get(i) : row.get(i) + padding);
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }
}
