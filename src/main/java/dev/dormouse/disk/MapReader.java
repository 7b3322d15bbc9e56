package dev.dormouse.disk;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/// Reads what `qemu-img map --output=json` prints, one extent at a time, in memory that does not depend
/// on their number. A parser of its own because a map has millions of flat objects, of which it needs six
/// fields. One thread.
final class MapReader {
    private static final int STRING_CHARS_MAX = 4096;
    private final InputStream in;
    private int next;
    private boolean started;
    private long start;
    private long length;
    private long depth;
    private long offset;
    private boolean zero;
    private boolean data;
    private boolean present;

    /// @param in buffered
    MapReader(InputStream in) throws IOException {
        this.in = in;
        this.next = in.read();
    }

    /// Reads the next extent.
    ///
    /// @return whether there was one
    boolean nextExtent() throws IOException {
        if (!started) {
            expect('[');
            started = true;
            skipSpace();
            if (next == ']') {
                return false;
            }
        } else {
            skipSpace();
            if (next == ']') {
                return false;
            }
            expect(',');
        }
        readExtent();
        return true;
    }

    long start() {
        return start;
    }

    long length() {
        return length;
    }

    /// {@return the number of the layer, counted from the top}
    long depth() {
        return depth;
    }

    boolean isZero() {
        return zero;
    }

    boolean isData() {
        return data;
    }

    /// {@return whether a layer of the chain holds it, be it as zeros}
    boolean isPresent() {
        return present;
    }

    /// {@return where it begins in a file, -1 if that is not said}
    long offset() {
        return offset;
    }

    private void readExtent() throws IOException {
        start = -1;
        length = -1;
        depth = -1;
        offset = -1;
        zero = false;
        data = false;
        present = false;
        expect('{');
        do {
            String key = string();
            expect(':');
            skipSpace();
            readValue(key);
            skipSpace();
        } while (skipIf(','));
        expect('}');
        if (start < 0 || length < 0 || depth < 0) {
            throw malformed("an extent without start, length or depth");
        }
    }

    private void readValue(String key) throws IOException {
        if (next == '"') {
            String _ = string();
        } else if (next >= '0' && next <= '9') {
            setNumber(key, number());
        } else {
            setFlag(key, word());
        }
    }

    private void setNumber(String key, long value) {
        switch (key) {
            case "start" -> start = value;
            case "length" -> length = value;
            case "depth" -> depth = value;
            case "offset" -> offset = value;
            default -> {} // Later versions of QEMU add fields.
        }
    }

    private void setFlag(String key, String word) throws IOException {
        boolean value = word.equals("true");
        if (!value && !word.equals("false") && !word.equals("null")) {
            throw malformed("a value '" + word + "'");
        }
        switch (key) {
            case "zero" -> zero = value;
            case "data" -> data = value;
            case "present" -> present = value;
            default -> {}
        }
    }

    private long number() throws IOException {
        long value = 0;
        while (next >= '0' && next <= '9') {
            int digit = next - '0';
            if (value > (Long.MAX_VALUE - digit) / 10) {
                throw malformed("a number beyond 2^63");
            }
            value = value * 10 + digit;
            advance();
        }
        return value;
    }

    private String word() throws IOException {
        var text = new StringBuilder();
        while (next >= 'a' && next <= 'z' && text.length() < 8) {
            text.append((char) next);
            advance();
        }
        return text.toString();
    }

    private String string() throws IOException {
        expect('"');
        var text = new StringBuilder();
        while (next != '"') {
            if (next == '\\') {
                advance(); // Only values that we leave out have escapes.
            }
            text.append((char) next);
            if (text.length() > STRING_CHARS_MAX) {
                throw malformed("a text of more than " + STRING_CHARS_MAX + " characters");
            }
            advance();
        }
        advance();
        return text.toString();
    }

    private boolean skipIf(char expected) throws IOException {
        if (next != expected) {
            return false;
        }
        advance();
        return true;
    }

    private void expect(char expected) throws IOException {
        skipSpace();
        if (next != expected) {
            throw next < 0 ? new EOFException() : malformed("'" + (char) next + "' in place of '" + expected + "'");
        }
        // What follows the last bracket is never asked for.
        next = in.read();
    }

    private void skipSpace() throws IOException {
        while (next == ' ' || next == '\n' || next == '\r' || next == '\t') {
            next = in.read();
        }
    }

    private void advance() throws IOException {
        next = in.read();
        if (next < 0) {
            throw new EOFException();
        }
    }

    private static DiskException malformed(String found) {
        return new DiskException("qemu-img map: printed " + found + ", a JSON array of extents is expected");
    }
}
