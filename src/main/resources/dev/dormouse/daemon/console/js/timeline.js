// When a VM was awake, and what was done with it.

import { h } from "./dom.js";
import { bytes, clock, millis, words } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000;
const HEIGHT = 22;
const ROWS_MAX = 12;
/** What a VM is after an operation that succeeded; a checkpoint changes nothing. */
const AFTER = { start: "awake", resume: "awake", suspend: "asleep", stop: "off" };

export function timeline() {
  let all = [];
  let rowsMax = ROWS_MAX;
  const band = h("div", { class: "band" });
  const range = h("div", { class: "row hint" });
  const rows = h("tbody");
  const empty = h("p", { class: "empty" }, "Nothing was recorded yet.");
  const more = h("button", { type: "button", class: "small", hidden: true, onclick: () => {
    rowsMax *= 4;
    render();
  } }, "More");
  const table = h("div", { class: "scroll" }, h("table", {},
    h("caption", { class: "unseen" }, "What was done, the newest first"),
    h("thead", {}, h("tr", {},
      ["Time", "What", "Outcome"].map(label => h("th", { scope: "col" }, label)),
      ["Took", "Guest runs", "Responsive", "Pause", "Image"].map(label => h("th", { scope: "col", class: "number" }, label)))),
    rows));

  function render() {
    empty.hidden = all.length > 0;
    table.hidden = all.length === 0;
    const spans = spansOf(all);
    band.replaceChildren(...(spans.length === 0 ? [] : [drawing(spans)]));
    range.replaceChildren(...(spans.length === 0 ? [] : [
      h("span", {}, clock(spans[0].from)),
      h("span", { class: "spring" }),
      ...["awake", "asleep", "off"].map(state => h("span", {}, h("span", { class: `key ${state}` }), words(state))),
      h("span", { class: "spring" }),
      h("span", {}, "now")]));
    const newest = all.toReversed();
    rows.replaceChildren(...newest.slice(0, rowsMax).map(row));
    more.hidden = newest.length <= rowsMax;
  }

  return {
    element: h("section", { class: "panel", "aria-labelledby": "past-title" },
      h("header", {}, h("h2", { id: "past-title" }, "Timeline"), h("span", { class: "spring" }), more),
      h("div", { class: "inside" }, empty, band, range), table),
    /** @param items the oldest first */
    update(items) {
      all = items;
      render();
    },
  };
}

function row(item) {
  const outcome = h("td", { class: item.outcome === "failed" ? "error" : "" }, words(item.outcome));
  if (item.error) {
    outcome.append(h("div", { class: "hint wrap" }, item.error));
  }
  return h("tr", {},
    h("td", { title: item.time }, clock(item.time)),
    h("td", {}, words(item.kind)),
    outcome,
    [millis(item.durationMillis), millis(item.guestRunsMillis), millis(item.responsiveMillisEstimate),
      millis(item.pausedMillis), bytes(item.imageBytes)]
      .map(text => h("td", { class: "number" }, text)));
}

function spansOf(items) {
  const spans = [];
  for (const item of items) {
    const state = item.outcome === "succeeded" ? AFTER[item.kind] : undefined;
    if (state !== undefined && spans.at(-1)?.state !== state) {
      const begun = item.kind === "resume" ? Date.parse(item.time) - (item.durationMillis ?? 0) + (item.guestRunsMillis ?? 0) : Date.parse(item.time);
      spans.push({ state, from: begun });
    }
  }
  return spans;
}

function drawing(spans) {
  const first = spans[0].from;
  const length = Math.max(1, Date.now() - first);
  const x = time => (time - first) / length * WIDTH;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const awake = spans.reduce((sum, span, i) =>
    sum + (span.state === "awake" ? (spans[i + 1]?.from ?? Date.now()) - span.from : 0), 0);
  svg.setAttribute("aria-label", `Awake for ${Math.round(awake / length * 100)} percent of the time since ${clock(first)}`);
  spans.forEach((span, i) => {
    const rectangle = document.createElementNS(SVG, "rect");
    const left = x(span.from);
    rectangle.setAttribute("x", left);
    rectangle.setAttribute("y", span.state === "awake" ? 0 : HEIGHT / 2 - 3);
    rectangle.setAttribute("width", Math.max(1.5, (spans[i + 1] ? x(spans[i + 1].from) : WIDTH) - left));
    rectangle.setAttribute("height", span.state === "awake" ? HEIGHT : 6);
    rectangle.setAttribute("class", span.state);
    svg.append(rectangle);
  });
  return svg;
}
