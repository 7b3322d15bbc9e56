"""Works in the office programs: a text of many pages and a table, both open in windows.

usage: office.py prepare|work    `prepare` opens and fills the documents; `work` types and calculates for ever, an
operation of which is a cell on which others depend; a sentence typed takes as long as eight of them, and counts so
"""
import glob
import mmap
import struct
import sys
import time

import uno

METER, BUCKET_BYTES, BUCKETS_MAX = "/run/dormouse-meter", 8, 31
COLUMNS, ROWS, CELLS = 20, 100, 20
PARAGRAPH = 400  # Characters; each edit lays its paragraph out anew.
CELLS_OF_A_SENTENCE = 8


def connect():
    resolver = uno.getComponentContext().ServiceManager.createInstanceWithContext(
        "com.sun.star.bridge.UnoUrlResolver", uno.getComponentContext()
    )
    for _ in range(600):
        try:
            context = resolver.resolve("uno:socket,host=127.0.0.1,port=2002;urp;StarOffice.ComponentContext")
            return context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
        except Exception:  # The bridge has many kinds of "not yet".
            time.sleep(0.5)
    raise SystemExit("office.py: the office does not answer")


def prepare(desktop):
    writer = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, ())
    parts = []
    for name in sorted(glob.glob("/mnt/text/*/*.txt"))[:40]:
        with open(name, encoding="ascii") as text:
            words = text.read(1200)
        parts += [words[at : at + PARAGRAPH] for at in range(0, len(words), PARAGRAPH)]
    # At once: it lays the text out after each insertion.
    writer.Text.setString("\n".join(parts))
    calc = desktop.loadComponentFromURL("private:factory/scalc", "_blank", 0, ())
    sheet = calc.Sheets.getByIndex(0)
    for row in range(ROWS):
        cells = sheet.getCellRangeByPosition(0, row, COLUMNS - 1, row)
        above = "=A%d" % row if row else "=1"
        cells.setFormulaArray((tuple([above + "+1"] + ["=%s%d*1.01+1" % (chr(64 + c), row + 1) for c in range(1, COLUMNS)]),))


def documents(desktop):
    writer = calc = None
    parts = desktop.Components.createEnumeration()
    while parts.hasMoreElements():
        part = parts.nextElement()
        if part.supportsService("com.sun.star.text.TextDocument"):
            writer = part
        elif part.supportsService("com.sun.star.sheet.SpreadsheetDocument"):
            calc = part
    return writer, calc


def work(desktop):
    writer, calc = documents(desktop)
    text, sheet = writer.Text, calc.Sheets.getByIndex(0)
    # Asked for once, or most of the time would go by in looking them up.
    end = text.createTextCursor()
    end.gotoEnd(False)
    # Below what the window shows: the window is drawn anew for a cell in sight, which takes half a second.
    cells = [sheet.getCellByPosition(0, row) for row in range(ROWS - CELLS, ROWS)]
    with open(METER, "r+b") as file:
        meter = mmap.mmap(file.fileno(), 4096)
    number = 0
    while True:
        number += 1
        for cell in range(CELLS_OF_A_SENTENCE):
            start = time.monotonic_ns()
            cells[(number * CELLS_OF_A_SENTENCE + cell) % CELLS].setValue(number)
            count(meter, 1, time.monotonic_ns() - start)
        start = time.monotonic_ns()
        text.insertString(end, "Sentence %d is typed at the end.\n" % number, False)
        count(meter, CELLS_OF_A_SENTENCE, (time.monotonic_ns() - start) // CELLS_OF_A_SENTENCE)


def count(meter, operations, nanos):
    """Adds operations that took so long each; `meter.h` has the layout."""
    at = min((nanos | 1).bit_length() - 1, BUCKETS_MAX) * BUCKET_BYTES
    before = struct.unpack_from("<Q", meter, at)[0]
    struct.pack_into("<Q", meter, at, before + operations)


if __name__ == "__main__":
    {"prepare": prepare, "work": work}[sys.argv[1]](connect())
