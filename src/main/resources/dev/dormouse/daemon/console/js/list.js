// All VMs of the host in one table: filter, order, pages of some rows each, live.

import * as rights from "./rights.js";
import * as store from "./store.js";
import { act } from "./actions.js";
import { allows, badge, givenBackBytes, isAwake, needsAttention, showBadge } from "./states.js";
import { arrange, h, setText } from "./dom.js";
import { ago, bytes, micros, millis } from "./format.js";

const PAGE_ROWS = 50;
const FILTERS = [
  { id: "all", label: "All", test: () => true },
  { id: "awake", label: "Awake", test: isAwake },
  { id: "asleep", label: "Asleep", test: vm => vm.state === "suspended" },
  { id: "stopped", label: "Stopped", test: vm => vm.state === "stopped" },
  { id: "attention", label: "Need attention", test: needsAttention },
];

const COLUMNS = [
  { id: "name", label: "Name", value: vm => vm.name },
  { id: "state", label: "State", value: vm => vm.state },
  { id: "memory", label: "Memory", value: vm => vm.memoryBytes ?? 0, number: true },
  { id: "given", label: "Given back", value: givenBackBytes, number: true },
  { id: "image", label: "Image", value: vm => vm.imageBytes ?? 0, number: true },
  { id: "wake", label: "Last wake", value: wakeMillis, number: true, title: "From the begin of the last resume until the guest ran" },
  { id: "responsive", label: "Last TTR", value: vm => store.responsiveMillis(vm) ?? -1, number: true,
    title: "From the begin of the last resume until the guest hardly waited for pages any more, estimated from outside" },
  { id: "latency", label: "Page p99", value: vm => vm.lastRestore?.demandMicrosP99 ?? 0, number: true,
    title: "Within which time 99 of 100 pages were there that the guest waited for, in the last restore" },
  { id: "clients", label: "Clients", value: vm => vm.clients, number: true },
  { id: "since", label: "Since", value: vm => vm.since ?? "", number: true },
];

/** What the reader chose; outlives a visit to another page. */
const choice = { text: "", filter: "all", column: "name", descending: false, page: 0 };

function wakeMillis(vm) {
  return store.resumes.get(vm.name)?.guestRunsMillis ?? -1;
}

export function show(main) {
  const rows = new Map();
  const tiles = summaryTiles();
  const chips = FILTERS.map(filter => h("button", { type: "button", class: "chip", onclick: () => {
    choice.filter = filter.id;
    choice.page = 0;
    render();
  } }));
  const search = h("input", { type: "search", id: "filter", value: choice.text, placeholder: "Filter by name", "aria-label": "Filter by name",
    oninput: () => {
      choice.text = search.value;
      choice.page = 0;
      render();
    } });
  const heads = COLUMNS.map(column => h("th", { scope: "col", class: column.number ? "number" : "" },
    h("button", { type: "button", title: column.title ?? "", onclick: () => {
      choice.descending = choice.column === column.id ? !choice.descending : column.number === true;
      choice.column = column.id;
      render();
    } }, column.label)));
  const body = h("tbody");
  const pager = pagerOf(() => render());
  const empty = h("p", { class: "empty" });
  const limits = h("p", { class: "hint", id: "limits" }, `${rights.whyNot()} ${rights.whichVms()}`.trim());
  limits.hidden = limits.textContent === "";
  main.replaceChildren(
    h("div", { class: "page" },
      h("h1", { class: "unseen" }, "Virtual machines"),
      tiles.element,
      limits,
      h("div", { class: "toolbar" }, search, h("div", { class: "chips", role: "group", "aria-label": "States" }, chips)),
      h("div", { class: "panel scroll" },
        h("table", { class: "vms" },
          h("caption", { class: "unseen" }, "Virtual machines of this host"),
          h("thead", {}, h("tr", {}, heads, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))),
          body)),
      empty,
      pager.element));

  function render() {
    const known = [...store.vms.values()];
    tiles.update(known);
    const named = known.filter(vm => vm.name.toLowerCase().includes(choice.text.trim().toLowerCase()));
    FILTERS.forEach((filter, i) => {
      setText(chips[i], `${filter.label} ${named.filter(filter.test).length}`);
      chips[i].setAttribute("aria-pressed", String(filter.id === choice.filter));
    });
    COLUMNS.forEach((column, i) => heads[i].setAttribute("aria-sort",
      column.id !== choice.column ? "none" : choice.descending ? "descending" : "ascending"));
    const found = sorted(named.filter(FILTERS.find(filter => filter.id === choice.filter).test));
    const first = pager.update(found.length);
    const shown = found.slice(first, first + PAGE_ROWS);
    arrange(body, shown.map(vm => {
      if (!rows.has(vm.name)) {
        rows.set(vm.name, rowOf(vm.name));
      }
      const row = rows.get(vm.name);
      row.update(vm);
      return row.element;
    }));
    setText(empty, found.length > 0 ? "" : known.length > 0 ? "No virtual machine matches."
      : rights.seesHost() ? "There is no virtual machine yet: 'dormouse vm create' makes one."
      : "There is no virtual machine that your token is for.");
  }

  render();
  const unlisten = store.listen(render);
  const minute = setInterval(render, 30_000); // "5 min ago" grows older.
  return () => {
    unlisten();
    clearInterval(minute);
  };
}

function sorted(found) {
  const column = COLUMNS.find(candidate => candidate.id === choice.column);
  const sign = choice.descending ? -1 : 1;
  return found.sort((one, other) => {
    const a = column.value(one);
    const b = column.value(other);
    return a < b ? -sign : a > b ? sign : one.name.localeCompare(other.name);
  });
}

function summaryTiles() {
  const values = ["Virtual machines", "Awake", "Asleep", "Memory in use", "Memory given back", "Images"].map(label => {
    const value = h("dd");
    return { value, element: h("div", { class: "tile" }, h("dt", {}, label), value) };
  });
  return {
    element: h("dl", { class: "tiles" }, values.map(tile => tile.element)),
    update(known) {
      const sum = of => known.reduce((total, vm) => total + (of(vm) ?? 0), 0);
      [
        String(known.length),
        String(known.filter(isAwake).length),
        String(known.filter(vm => vm.state === "suspended").length),
        bytes(sum(vm => isAwake(vm) ? vm.memoryBytes : 0)),
        bytes(sum(givenBackBytes)),
        bytes(sum(vm => vm.imageBytes)),
      ].forEach((text, i) => setText(values[i].value, text));
    },
  };
}

function rowOf(name) {
  const state = badge();
  const done = h("progress", { max: 1, hidden: true, "aria-label": `Progress of ${name}` });
  const cells = Object.fromEntries(COLUMNS.map(column => [column.id, h("td", { class: column.number ? "number" : "" })]));
  cells.name.append(h("a", { href: `#/vms/${encodeURIComponent(name)}` }, name));
  cells.state.append(state, done);
  const button = h("button", { type: "button", class: "small" });
  let action = null;
  button.addEventListener("click", () => act(action, store.vms.get(name)));
  const element = h("tr", { "data-vm": name }, COLUMNS.map(column => cells[column.id]), h("td", { class: "actions" }, button));
  return {
    element,
    update(vm) {
      showBadge(state, vm.state);
      state.title = vm.reason ?? "";
      const step = store.progress.get(name);
      done.hidden = !step || !step.total;
      done.value = step && step.total ? step.done / step.total : 0;
      setText(cells.memory, bytes(vm.memoryBytes));
      setText(cells.given, givenBackBytes(vm) === 0 ? "–" : bytes(givenBackBytes(vm)));
      setText(cells.image, bytes(vm.imageBytes));
      const wake = wakeMillis(vm);
      setText(cells.wake, wake < 0 ? "–" : millis(wake));
      setText(cells.responsive, millis(store.responsiveMillis(vm)));
      setText(cells.latency, micros(vm.lastRestore?.demandMicrosP99));
      setText(cells.clients, vm.clients === 0 ? "–" : String(vm.clients));
      setText(cells.since, ago(vm.since));
      cells.since.title = vm.since ?? "";
      action = ["resume", "suspend", "start"].find(candidate => allows(vm, candidate)) ?? null;
      button.hidden = action === null || !rights.mayOperate();
      if (action !== null) {
        setText(button, action.charAt(0).toUpperCase() + action.slice(1));
        button.setAttribute("aria-label", `${action} ${name}`);
      }
    },
  };
}

function pagerOf(changed) {
  const text = h("span", { role: "status" });
  const turn = by => () => {
    choice.page += by;
    changed();
  };
  const back = h("button", { type: "button", class: "small", onclick: turn(-1) }, "Previous");
  const next = h("button", { type: "button", class: "small", onclick: turn(1) }, "Next");
  const element = h("nav", { class: "pager", "aria-label": "Pages" }, text, h("span", { class: "spring" }), back, next);
  return {
    element,
    /** @return the first row of the page that is shown */
    update(count) {
      choice.page = Math.max(0, Math.min(choice.page, Math.ceil(count / PAGE_ROWS) - 1));
      const first = choice.page * PAGE_ROWS;
      element.hidden = count <= PAGE_ROWS;
      setText(text, `${first + 1}–${Math.min(first + PAGE_ROWS, count)} of ${count}`);
      back.disabled = first === 0;
      next.disabled = first + PAGE_ROWS >= count;
      return first;
    },
  };
}
