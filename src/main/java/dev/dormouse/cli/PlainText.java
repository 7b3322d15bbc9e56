package dev.dormouse.cli;

/// Text for a terminal that may hold what strangers wrote: names in an image, last words of a QEMU.
final class PlainText {
    private PlainText() {}

    /// {@return the text on one line, in which no character moves the cursor, changes colours, or turns the
    /// direction of writing: each such one is shown as the number that it has}
    static String line(String text) {
        return escape(text, false);
    }

    /// As [#line], of several lines.
    static String lines(String text) {
        return escape(text, true);
    }

    private static String escape(String text, boolean lineBreaks) {
        StringBuilder result = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean plain = c == '\n' ? lineBreaks : !isActive(c);
            if (!plain && result == null) {
                result = new StringBuilder(text.length() + 16).append(text, 0, i);
            }
            if (result != null) {
                result.append(plain ? c : "\\u%04x".formatted((int) c));
            }
        }
        return result == null ? text : result.toString();
    }

    /// Control characters of both sets, separators of lines, and what turns the direction of writing.
    private static boolean isActive(char c) {
        return Character.isISOControl(c)
                || c == 0x2028
                || c == 0x2029
                || c == 0x200e
                || c == 0x200f
                || c == 0x061c
                || (c >= 0x202a && c <= 0x202e)
                || (c >= 0x2066 && c <= 0x2069);
    }
}
