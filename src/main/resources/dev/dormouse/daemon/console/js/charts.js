// Charts over time, by uPlot. Each has a table of the same figures beside it for those who read no charts.

import { h } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 140;
const DAY_SECONDS = 86_400;
const BINARY_STEPS = Array.from({ length: 45 }, (_, power) => 2 ** power);
/** Null in a build without it: then there are the tables. */
const uPlot = await import("../vendor/uplot/dist/uPlot.esm.js").then(module => module.default, () => null);
const SYNC = uPlot?.sync("history");

/**
 * @param series `label`, `colour` (of the style sheet), `value` (of an item, null where it has none), `fill`, `points`
 * @param format of a value
 */
export function chart(title, series, format, options = {}) {
  let plot = null;
  let items = [];
  const place = h("div", { class: "plot" });
  const empty = h("p", { class: "empty" }, options.empty ?? "Nothing was recorded yet.");
  const rows = h("tbody");
  const table = h("details", {}, h("summary", {}, "As a table"),
    h("div", { class: "scroll tall" }, h("table", {},
      h("caption", { class: "unseen" }, title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), series.map(one => h("th", { scope: "col", class: "number" }, one.label)))),
      rows)));
  const key = h("span", { class: "keys" }, series.map(one => h("span", {}, h("span", { class: "key", "data-colour": one.colour }), one.label)));
  const element = h("section", { class: "panel chart" },
    h("header", {}, h("h2", {}, title), h("span", { class: "spring" }), key),
    h("div", { class: "inside" }, place, empty, table));

  function colour(name) {
    return getComputedStyle(probe(place, name)).color;
  }

  function draw() {
    plot?.destroy();
    plot = null;
    empty.hidden = items.length > 0;
    place.hidden = items.length === 0 || uPlot === null;
    table.hidden = items.length === 0;
    if (place.hidden || place.clientWidth === 0) {
      return;
    }
    const soft = colour("--ink-soft");
    const axis = { stroke: soft, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const data = [items.map(item => Date.parse(item.time) / 1000), ...series.map(one => items.map(one.value))];
    plot = new uPlot({
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: SYNC.key }, y: false, points: { size: 7 } },
      scales: { y: options.logarithmic ? { distr: 3 } : { range: (_, low, high) => [0, Math.max(high * 1.08, 1)] } },
      axes: [
        { ...axis, grid: { show: false }, space: 90, size: 26, values: (_, ticks, __, ___, step) => ticks.map(tick => dateOf(tick, step)) },
        { ...axis, size: 64, incrs: options.binary ? BINARY_STEPS : undefined, values: (_, ticks) => ticks.map(tick => tick === null ? "" : format(tick)) },
      ],
      series: [{}, ...series.map(one => ({
        label: one.label,
        stroke: colour(one.colour),
        fill: one.fill ? translucent(colour(one.colour)) : undefined,
        width: 1.5,
        spanGaps: true,
        points: { show: items.length < 60, size: 5 },
      }))],
      hooks: { setCursor: [plotted => showAt(plotted.cursor.idx)] },
    }, data, place);
  }

  function showAt(index) {
    key.querySelectorAll("b").forEach(value => value.remove());
    if (index === null || index === undefined || !items[index]) {
      return;
    }
    [...key.children].forEach((child, i) => {
      const value = series[i].value(items[index]);
      child.append(h("b", {}, value === null || value === undefined ? " –" : ` ${format(value)}`));
    });
  }

  const resized = new ResizeObserver(() => plot === null ? draw() : plot.setSize({ width: place.clientWidth, height: HEIGHT }));
  resized.observe(place);
  const repaint = () => {
    key.querySelectorAll("[data-colour]").forEach(mark => {
      mark.style.background = `var(${mark.dataset.colour})`;
    });
    draw();
  };
  document.addEventListener("theme", repaint);
  return {
    element,
    /** @param newItems the oldest first */
    update(newItems) {
      items = newItems;
      rows.replaceChildren(...items.toReversed().slice(0, 200).map(item => h("tr", {},
        h("td", {}, clock(item.time)),
        series.map(one => h("td", { class: "number" }, one.value(item) === null || one.value(item) === undefined ? "–" : format(one.value(item)))))));
      repaint();
    },
    close() {
      resized.disconnect();
      document.removeEventListener("theme", repaint);
      plot?.destroy();
    },
  };
}

/** What resolves a colour of the style sheet, in which light and dark are still undecided. */
function probe(place, name) {
  place.probe ??= place.appendChild(h("span", { hidden: true }));
  place.probe.style.color = `var(${name})`;
  return place.probe;
}

function dateOf(seconds, step) {
  const date = new Date(seconds * 1000);
  const midnight = date.getHours() === 0 && date.getMinutes() === 0;
  return step >= DAY_SECONDS || midnight
    ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
    : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined });
}

function translucent(colour) {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.16)");
}
