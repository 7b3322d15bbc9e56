// What can be done with a VM in each of its states, and how the states are shown.

import { h, setClass, setText } from "./dom.js";
import { words } from "./format.js";

const TONES = {
  running: "good",
  suspended: "asleep",
  stopped: "off",
  restoring: "busy",
  suspending: "busy",
  checkpointing: "busy",
  stalled: "bad",
  crashed: "bad",
  orphaned: "bad",
  interrupted: "bad",
  unreadable: "bad",
};

const ACTIONS = {
  start: ["stopped", "crashed"],
  suspend: ["running", "restoring"],
  resume: ["suspended", "orphaned", "interrupted", "stalled"],
  checkpoint: ["running"],
  stop: ["running", "restoring", "stalled"],
};

const AWAKE = new Set(["running", "restoring", "suspending", "checkpointing", "stalled", "orphaned"]);

export function tone(state) {
  return TONES[state] ?? "off";
}

export function allows(vm, action) {
  return ACTIONS[action].includes(vm.state);
}

export function isAwake(vm) {
  return AWAKE.has(vm.state);
}

export function needsAttention(vm) {
  return tone(vm.state) === "bad";
}

export function givenBackBytes(vm) {
  return vm.state === "suspended" ? vm.memoryBytes ?? 0 : 0;
}

/** A state as a word with a mark, whose form differs too: not everybody tells its colours apart. */
export function badge() {
  return h("span", { class: "badge" });
}

export function showBadge(element, state) {
  setClass(element, `badge ${tone(state)}`);
  setText(element, words(state));
}
