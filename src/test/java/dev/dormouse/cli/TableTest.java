package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TableTest {
    @Test
    void alignsColumns() {
        String text = new Table("NAME", ">SIZE", "STATE")
                .row("a", 1, "running")
                .row("longer", 12345, null)
                .toString();

        assertThat(text).isEqualTo("""
                        NAME     SIZE  STATE
                        a           1  running
                        longer  12345  -
                        """);
    }

    @Test
    void showsFactsWithoutHeadings() {
        assertThat(Table.ofFacts().row("name", "web").row("cpus", 2).toString()).isEqualTo("name  web\ncpus  2\n");
    }

    @Test
    void refusesARowOfAnotherWidth() {
        assertThatThrownBy(() -> new Table("A", "B").row("x")).hasMessage("a row of 1 cells in a table of 2 columns");
    }
}
