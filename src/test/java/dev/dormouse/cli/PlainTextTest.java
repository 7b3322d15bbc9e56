package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PlainTextTest {
    @Test
    void leavesOrdinaryTextAlone() {
        assertThat(PlainText.line("vm Grünwald: läuft, 20 % – ok")).isEqualTo("vm Grünwald: läuft, 20 % – ok");
        assertThat(PlainText.lines("a\nb")).isEqualTo("a\nb");
    }

    @Test
    void showsEscapesLineBreaksAndTurnedWritingAsNumbers() {
        String esc = Character.toString(0x1b);
        String turned = Character.toString(0x202e);
        String csi = Character.toString(0x9b);

        assertThat(PlainText.line(esc + "[2J" + csi + "31m\r\n" + turned + "x"))
                .isEqualTo("\\u001b[2J\\u009b31m\\u000d\\u000a\\u202ex");
        assertThat(PlainText.lines("a\n\tb" + esc)).isEqualTo("a\n\\u0009b\\u001b");
    }

    @Test
    void keepsTablesOnTheirLines() {
        assertThat(new Table("NAME", "STATE").row("a\nb", Character.toString(7)).toString())
                .isEqualTo("NAME      STATE\na\\u000ab  \\u0007\n");
    }
}
