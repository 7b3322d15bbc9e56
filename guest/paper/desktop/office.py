"""Works in the office programs: a text of many pages and a table, both open in windows.

usage: office.py prepare|work    `prepare` opens and fills the documents; `work` types and calculates for ever, an
operation of which is a sentence typed, or a cell of which hundreds depend
"""
import glob
import mmap
import struct
import sys
import time

import uno

METER, BUCKETS, BUCKETS_MAX = "/run/dormouse-meter", 8, 31
COLUMNS, ROWS = 20, 200


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
            parts.append(text.read(6000))
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
    sheet = calc.Sheets.getByIndex(0)
    with open(METER, "r+b") as file:
        meter = mmap.mmap(file.fileno(), 4096)
    start = time.monotonic_ns()
    number = 0
    while True:
        number += 1
        if number % 8:
            end = writer.Text.getEnd()
            writer.Text.insertString(end, "Sentence %d is typed at the end. " % number, False)
        else:
            sheet.getCellByPosition(0, number // 8 % ROWS).setValue(number)
            sheet.getCellByPosition(COLUMNS - 1, ROWS - 1).getValue()
        now = time.monotonic_ns()
        bucket = min((now - start | 1).bit_length() - 1, BUCKETS_MAX) * BUCKETS
        meter[bucket : bucket + BUCKETS] = struct.pack("<Q", struct.unpack("<Q", meter[bucket : bucket + BUCKETS])[0] + 1)
        start = now


if __name__ == "__main__":
    {"prepare": prepare, "work": work}[sys.argv[1]](connect())
