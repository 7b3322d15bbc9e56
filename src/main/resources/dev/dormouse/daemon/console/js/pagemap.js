// The memory of a guest while it is restored: a point for each cell of some pages, coloured by what happened to most of
// them. A page that the guest had to wait for counts more than its neighbours: those are what one looks for.

import * as api from "./api.js";
import { announce, h, setText } from "./dom.js";
import { bytes, number } from "./format.js";

const PAGE_BYTES = 4096;
const ASPECT = 2.4;
const DEMANDED_WEIGHT = 4;

const KINDS = [
  { id: "demanded", label: "Demanded by the guest" },
  { id: "set", label: "Working set" },
  { id: "prefetched", label: "Prefetched from the image" },
  { id: "prefetched-disk", label: "Prefetched from a disk" },
  { id: "missing", label: "Missing, in the image" },
  { id: "missing-disk", label: "Missing, on a disk" },
  { id: "zero", label: "Zero, nothing to place" },
];

export function pageMap(name) {
  let map = null;
  let frame = null;
  const canvas = h("canvas", { class: "map", role: "img", "aria-label": "No restore was seen yet", width: 1, height: 1 });
  const counts = KINDS.map(() => h("dd", {}, "–"));
  const legend = h("dl", { class: "legend" }, KINDS.map((kind, i) =>
    h("div", {}, h("dt", {}, h("span", { class: `key ${kind.id}` }), kind.label), counts[i])));
  const state = h("span", { class: "soft" });
  const where = h("p", { class: "hint where" });
  const empty = h("p", { class: "empty" }, "The next resume is shown here, page by page.");
  canvas.addEventListener("pointermove", event => setText(where, map === null ? "" : describe(map, cellAt(canvas, map, event))));
  canvas.addEventListener("pointerleave", () => setText(where, ""));

  function take(type, data) {
    switch (type) {
      case "map":
        map = begin(data);
        setText(state, "restoring…");
        announce(`${name}: its memory is being restored`);
        break;
      case "cells":
        apply(map, data.changed);
        break;
      case "end":
        map.ended = true;
        setText(state, "complete");
        announce(`${name}: all of its memory is there`);
        break;
    }
    frame ??= requestAnimationFrame(draw);
  }

  function draw() {
    frame = null;
    if (map === null || !canvas.isConnected) {
      return; // Another page is shown by now, and only what is shown has colours.
    }
    const sums = paint(canvas, map);
    empty.hidden = true;
    sums.forEach((pages, i) => setText(counts[i], map.origins || !KINDS[i].id.endsWith("disk") ? bytes(pages * PAGE_BYTES) : "–"));
    canvas.setAttribute("aria-label", `Memory of ${name}: ${KINDS.map((kind, i) => `${kind.label}: ${number(sums[i])} pages`).join(", ")}`);
    canvas.dataset.placed = String(sums[0] + sums[1] + sums[2] + sums[3]);
    canvas.dataset.missing = String(sums[4] + sums[5]);
    canvas.dataset.ended = String(map.ended);
  }

  const unfollow = api.follow(`/v1/vms/${encodeURIComponent(name)}/pages`, take);
  const repaint = () => draw();
  document.addEventListener("theme", repaint);
  return {
    element: h("section", { class: "panel", "aria-labelledby": "map-title" },
      h("header", {}, h("h2", { id: "map-title" }, "Memory of the last restore"), h("span", { class: "spring" }), state),
      h("div", { class: "inside" }, empty, canvas, where, legend)),
    close() {
      unfollow();
      document.removeEventListener("theme", repaint);
    },
  };
}

function words(base64) {
  const binary = atob(base64);
  const result = new Uint16Array(binary.length / 2);
  for (let i = 0; i < result.length; i++) {
    result[i] = binary.charCodeAt(2 * i) | binary.charCodeAt(2 * i + 1) << 8;
  }
  return result;
}

function begin(data) {
  return {
    ...data,
    origins: data.zero !== undefined,
    zero: data.zero === undefined ? new Uint16Array(data.cells) : words(data.zero),
    onDisk: data.onDisk === undefined ? new Uint16Array(data.cells) : words(data.onDisk),
    demanded: new Uint16Array(data.cells),
    set: new Uint16Array(data.cells),
    prefetched: new Uint16Array(data.cells),
    columns: Math.max(1, Math.ceil(Math.sqrt(data.cells * ASPECT))),
    ended: false,
  };
}

function apply(map, changed) {
  const all = words(changed);
  for (let i = 0; i < all.length; i += 4) {
    map.demanded[all[i]] = all[i + 1];
    map.set[all[i]] = all[i + 2];
    map.prefetched[all[i]] = all[i + 3];
  }
}

/** How many pages of a cell are of each kind. That of a placed page on a disk is known only as a share of its cell. */
function kindsOf(map, cell, into) {
  const pages = Math.min(map.pagesPerCell, map.frames - cell * map.pagesPerCell);
  const placed = map.demanded[cell] + map.set[cell] + map.prefetched[cell];
  const zero = map.origins ? map.zero[cell] : map.ended ? pages - placed : 0;
  const missing = map.ended ? 0 : Math.max(0, pages - zero - placed);
  const share = pages === zero ? 0 : map.onDisk[cell] / (pages - zero);
  into[0] = map.demanded[cell];
  into[1] = map.set[cell];
  into[3] = Math.round(map.prefetched[cell] * share);
  into[2] = map.prefetched[cell] - into[3];
  into[5] = Math.round(missing * share);
  into[4] = missing - into[5];
  into[6] = zero;
}

/** @return how many pages of all are of each kind */
function paint(canvas, map) {
  const style = getComputedStyle(canvas);
  const colours = KINDS.map(kind => rgb(canvas, style, `--map-${kind.id}`));
  const rows = Math.ceil(map.cells / map.columns);
  canvas.width = map.columns;
  canvas.height = rows;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(map.columns, rows);
  const kinds = new Array(KINDS.length).fill(0);
  const sums = new Array(KINDS.length).fill(0);
  for (let cell = 0; cell < map.cells; cell++) {
    kindsOf(map, cell, kinds);
    let shown = 6;
    let weight = 0;
    for (let kind = 0; kind < kinds.length; kind++) {
      sums[kind] += kinds[kind];
      const own = kinds[kind] * (kind === 0 ? DEMANDED_WEIGHT : 1);
      if (own > weight) {
        weight = own;
        shown = kind;
      }
    }
    image.data.set(colours[shown], 4 * cell);
  }
  context.putImageData(image, 0, 0);
  return sums;
}

/** A colour of the style sheet, in which light and dark are still undecided, as four bytes. */
function rgb(element, style, variable) {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  probe.hidden = true;
  element.parentElement.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/\d+/g).map(Number);
  probe.remove();
  return [red, green, blue, 255];
}

function cellAt(canvas, map, event) {
  const box = canvas.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / box.width * map.columns);
  const row = Math.floor((event.clientY - box.top) / box.height * canvas.height);
  return row * map.columns + column;
}

function describe(map, cell) {
  if (cell < 0 || cell >= map.cells) {
    return "";
  }
  const kinds = new Array(KINDS.length).fill(0);
  kindsOf(map, cell, kinds);
  const first = cell * map.pagesPerCell;
  const parts = KINDS.map((kind, i) => kinds[i] === 0 ? null : `${kind.label.toLowerCase()}: ${kinds[i]}`).filter(part => part !== null);
  return `Pages ${number(first)} to ${number(Math.min(first + map.pagesPerCell, map.frames) - 1)} – ${parts.join(", ")}`;
}
