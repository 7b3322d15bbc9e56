// One VM: what it is and does, its buttons, its screen, the memory of its last restore, and what was.

import * as history from "./history.js";
import * as rights from "./rights.js";
import * as store from "./store.js";
import { act, cancel } from "./actions.js";
import { chart } from "./charts.js";
import { pageMap } from "./pagemap.js";
import { screen } from "./screen.js";
import { timeline } from "./timeline.js";
import { allows, badge, givenBackBytes, showBadge } from "./states.js";
import { alertError, announce, h, setText } from "./dom.js";
import { ago, bytes, clock, micros, millis, number, words } from "./format.js";

const ACTIONS = ["start", "resume", "suspend", "checkpoint", "stop"];
const CANCELLABLE = new Set(["suspend", "checkpoint", "stop"]);
const FACTS = [
  ["Memory", vm => bytes(vm.memoryBytes)],
  ["Given back", vm => givenBackBytes(vm) === 0 ? "–" : bytes(givenBackBytes(vm))],
  ["Image", vm => bytes(vm.imageBytes)],
  ["Last wake", vm => millis(store.resumes.get(vm.name)?.guestRunsMillis)],
  ["Last TTR", vm => millis(store.responsiveMillis(vm))],
  ["Page p50 / p99", vm => vm.lastRestore ? `${micros(vm.lastRestore.demandMicrosP50)} / ${micros(vm.lastRestore.demandMicrosP99)}` : "–"],
  ["Demanded", vm => vm.lastRestore ? `${number(vm.lastRestore.demandedPages)} of ${number(vm.lastRestore.nonZeroPages)}` : "–"],
  ["Clients", vm => String(vm.clients)],
  ["Since", vm => ago(vm.since)],
];

export function show(main, name) {
  const state = badge();
  const machine = h("span", { class: "soft" });
  const reason = h("p", { class: "error", role: "status" });
  const buttons = ACTIONS.map(action => h("button", {
    type: "button",
    id: `do-${action}`,
    title: rights.whyNot(),
    onclick: () => act(action, store.vms.get(name)),
  }, words(action)));
  const limits = h("p", { class: "hint", id: "limits", hidden: rights.mayOperate() }, rights.whyNot());
  const facts = FACTS.map(([label]) => {
    const value = h("dd");
    return { value, element: h("div", { class: "tile" }, h("dt", {}, label), value) };
  });
  const work = operationLine(name);
  const display = screen(name);
  const map = pageMap(name);
  const past = timeline();
  const wakes = chart("Wake", [
    { label: "Guest runs", colour: "--map-prefetched", value: item => item.guestRunsMillis ?? null },
    { label: "Responsive", colour: "--map-demanded", value: item => item.responsiveMillisEstimate ?? null },
    { label: "Complete", colour: "--map-prefetched-disk", value: item => item.kind === "resume" ? item.durationMillis ?? null : null },
  ], millis, { empty: "No resume was recorded yet." });
  const latency = chart("Pages that the guest waited for", [
    { label: "p50", colour: "--map-prefetched", value: item => item.demandMicrosP50 || null },
    { label: "p99", colour: "--map-demanded", value: item => item.demandMicrosP99 || null },
  ], micros, { logarithmic: true, empty: "No resume was recorded yet." });
  const images = chart("Image", [
    { label: "Size", colour: "--asleep", value: item => item.imageBytes ?? null, fill: true },
  ], bytes, { binary: true, empty: "No suspend was recorded yet." });
  const charts = [wakes, latency, images];

  main.replaceChildren(h("div", { class: "page" },
    h("div", { class: "head" },
      h("a", { href: "#/", class: "back" }, "Virtual machines"),
      h("div", { class: "row" }, h("h1", {}, name), state, machine, h("span", { class: "spring" }), buttons)),
    limits,
    reason,
    work.element,
    h("dl", { class: "tiles facts" }, facts.map(fact => fact.element)),
    h("div", { class: "columns" },
      h("div", { class: "column" }, display.element, past.element),
      h("div", { class: "column" }, map.element, charts.map(one => one.element)))));

  let shown = null;
  function render() {
    const vm = store.vms.get(name);
    if (!vm) {
      setText(reason, store.vms.size > 0 ? `There is no virtual machine ${name}.` : "");
      buttons.forEach(button => {
        button.disabled = true;
      });
      return;
    }
    if (shown !== null && shown !== vm.state) {
      announce(`${name} is ${vm.state}`);
    }
    shown = vm.state;
    showBadge(state, vm.state);
    setText(machine, vm.machine ? `${vm.machine}, ${vm.cpus} ${vm.cpus === 1 ? "CPU" : "CPUs"}, ${vm.accelerator?.toUpperCase()}${vm.qemuVersion ? `, QEMU ${vm.qemuVersion}` : ""}` : "");
    setText(reason, vm.reason ?? "");
    buttons.forEach((button, i) => {
      button.disabled = !rights.mayOperate() || !allows(vm, ACTIONS[i]) || work.blocks(ACTIONS[i]);
      button.className = !button.disabled && ["start", "resume", "suspend"].includes(ACTIONS[i]) ? "primary" : "";
    });
    FACTS.forEach(([, value], i) => setText(facts[i].value, value(vm)));
    work.update();
    display.update(vm);
  }

  async function readHistory() {
    try {
      const items = await history.ofVm(name);
      const wake = items.findLast(item => item.kind === "resume" && item.guestRunsMillis !== undefined);
      if (wake && !store.resumes.has(name)) { // Of a daemon before this one.
        store.resumes.set(name, wake);
        render();
      }
      past.update(items);
      wakes.update(items.filter(item => item.kind === "resume" && item.outcome === "succeeded"));
      latency.update(items.filter(item => item.kind === "resume" && item.demandMicrosP99));
      images.update(items.filter(item => item.imageBytes && (item.kind === "suspend" || item.kind === "checkpoint")));
    } catch (error) {
      if (error.status !== 401 && error.status !== 404) {
        alertError(error.message);
      }
    }
  }

  render();
  void readHistory();
  const unlisten = store.listen(render);
  const unlistenHistory = history.onChange(name, readHistory);
  const minute = setInterval(render, 30_000);
  return () => {
    unlisten();
    unlistenHistory();
    clearInterval(minute);
    display.close();
    map.close();
    charts.forEach(one => one.close());
  };
}

/** The operation under way, or why the last one failed. */
function operationLine(name) {
  const text = h("span", {});
  const bar = h("progress", { max: 1, "aria-label": "Progress" });
  const stop = h("button", { type: "button", class: "small", onclick: () => cancel(store.operations.get(name)) }, "Cancel");
  const element = h("div", { class: "work", hidden: true }, text, bar, stop);
  const active = () => {
    const operation = store.operations.get(name);
    return operation && !operation.ended ? operation : null;
  };
  return {
    element,
    /** A resume whose guest runs lets others begin. */
    blocks(action) {
      const operation = active();
      return operation !== null && (operation.kind !== "resume" || operation.guestRunsMillis === undefined || action === "resume");
    },
    update() {
      const last = store.operations.get(name);
      const operation = active();
      const failed = last?.state === "failed" && Date.now() - Date.parse(last.ended) < 600_000;
      element.hidden = operation === null && !failed;
      element.className = failed ? "work failed" : "work";
      bar.hidden = stop.hidden = operation === null;
      if (operation !== null) {
        const step = store.progress.get(name);
        const total = step?.total ?? operation.total;
        setText(text, describe(operation, Boolean(total) && (step?.done ?? operation.done) >= total));
        bar.hidden = !total;
        bar.value = total ? (step?.done ?? operation.done) / total : 0;
        stop.hidden = !rights.mayOperate() || !CANCELLABLE.has(operation.kind) && operation.state !== "queued";
      } else if (failed) {
        setText(text, `${words(last.kind)} failed at ${clock(last.ended)}: ${last.error?.detail ?? ""}`);
      }
    },
  };
}

function describe(operation, complete) {
  const parts = [words(operation.kind)];
  if (operation.state === "queued") {
    const soon = operation.startsInSeconds === undefined ? "" : `, about ${operation.startsInSeconds} s from its turn`;
    parts.push(operation.position ? `is number ${operation.position} in the queue${soon}` : "waits for its turn");
  }
  if (operation.guestRunsMillis !== undefined) {
    parts.push(`– the guest runs after ${millis(operation.guestRunsMillis)}, ${complete ? "all of its memory is there, its disks follow" : "its memory follows"}`);
  } else if (operation.step) {
    parts.push(`– ${operation.step}`);
  }
  if (operation.stalledReason) {
    parts.push(`– ${operation.stalledReason}`);
  }
  return parts.join(" ");
}
