"""Makes what the desktop sessions show: pages for the browser and pictures, always the same ones.

usage: make-content.py TEXT_FOLDER TARGET
"""
import glob
import os
import random
import struct
import sys
import zlib

WIDTH, HEIGHT = 1280, 800
PAGES, PICTURES = 6, 24
PARAGRAPH = 300  # Characters, which are laid out at a time.

texts = sorted(glob.glob(sys.argv[1] + "/**/*.txt", recursive=True))
target = sys.argv[2]
rng = random.Random(42)


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def picture(path):
    """A gradient with noise: as large on the disk as a photograph of that size."""
    rows = bytearray()
    red, green, blue = (rng.randrange(128) for _ in range(3))
    for y in range(HEIGHT):
        noise = rng.randbytes(WIDTH)
        rows.append(0)
        for x in range(WIDTH):
            n = noise[x] & 15
            rows += bytes((red + (x >> 4) + n, green + (y >> 3) + n, blue + n))
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n")
        out.write(chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)))
        out.write(chunk(b"IDAT", zlib.compress(bytes(rows), 6)))
        out.write(chunk(b"IEND", b""))


# The page at work: changes itself, has itself laid out anew, says so, and begins again.
LOOP = """<script>
const list = document.querySelectorAll('p');
const turns = new MessageChannel(); // The browser comes to paint in between, as it would not in a loop.
let i = 0;
turns.port1.onmessage = () => {
  const p = list[i % list.length];
  p.style.paddingLeft = (i++ % 40) + 'px';
  p.firstChild.data = p.firstChild.data.slice(40) + p.firstChild.data.slice(0, 40);
  document.body.offsetHeight;
  dump('\\u0001'); // Is written to the browser's standard output: an operation was done.
  turns.port2.postMessage(0);
};
turns.port2.postMessage(0);
</script>"""

os.makedirs(target + "/pictures")
for number in range(PICTURES):
    picture(f"{target}/pictures/{number:02}.png")
for number in range(PAGES):
    with open(f"{target}/page-{number}.html", "w", encoding="ascii") as out:
        out.write(f"<!DOCTYPE html><meta charset=utf-8><title>Page {number}</title><body>\n")
        for part in range(30):
            words = open(rng.choice(texts), encoding="ascii").read(3000)
            out.write(f"<h2>{words[:30]}</h2>\n")
            for at in range(0, len(words), PARAGRAPH):
                out.write(f"<p>{words[at : at + PARAGRAPH]}</p>\n")
            if part % 10 == 0:
                out.write(f"<img src=pictures/{rng.randrange(PICTURES):02}.png width=640>\n")
        out.write(LOOP if number == PAGES - 1 else "")
