// What was done with a VM, and how the host was used: from the daemon's catalog, the oldest first.

import * as api from "./api.js";
import * as store from "./store.js";

const ITEMS_MAX = 500;
const SAMPLES_MAX = 10_080; // One for each minute of a week.

export async function ofVm(name) {
  return (await api.all(`/v1/vms/${encodeURIComponent(name)}/history`, ITEMS_MAX)).reverse();
}

export async function ofHost() {
  return (await api.all("/v1/host/history", SAMPLES_MAX)).reverse();
}

/** The catalog is written behind the event that tells of an end, usually within milliseconds. */
const READ_AFTER_MILLIS = [50, 1000, 5000];

/** @return a function that ends it: reads again when an operation on the VM has ended */
export function onChange(name, changed) {
  let seen = null;
  let timers = [];
  const unlisten = store.listen(() => {
    const newest = store.operations.get(name)?.ended;
    if (newest && newest !== seen) {
      seen = newest;
      timers.forEach(clearTimeout);
      timers = READ_AFTER_MILLIS.map(millis => setTimeout(changed, millis));
    }
  });
  return () => {
    unlisten();
    timers.forEach(clearTimeout);
  };
}
