// What the daemon has told: its VMs, what is under way on each, and how the last resume of each went. One stream of
// events keeps it up to date; whoever shows something of it is told at most once a frame.

import * as api from "./api.js";

const REFRESH_MILLIS = 150;
const LISTENERS = new Set();

export const vms = new Map();
/** The newest operation of each VM, and its newest resume that succeeded. */
export const operations = new Map();
export const resumes = new Map();
export const progress = new Map();

let stale = new Set();
let staleAll = false;
let timer = null;
let frame = null;
let unfollow = null;
let reads = 0;
let newestRead = 0;
/** The operations that the stream tells of while everything is read, and the VMs, for each who reads. */
const HEARD = new Set();

/** @return a function that ends it */
export function listen(listener) {
  LISTENERS.add(listener);
  return () => LISTENERS.delete(listener);
}

function changed() {
  if (frame === null) {
    frame = requestAnimationFrame(() => {
      frame = null;
      LISTENERS.forEach(listener => listener());
    });
  }
}

export async function open(onState) {
  close();
  unfollow = api.follow("/v1/events", take, state => {
    onState(state);
    if (state === "live") {
      void readAll(); // What happened before the stream began is in no event.
    }
  });
  await readAll();
}

export function close() {
  unfollow?.();
  unfollow = null;
  vms.clear();
  operations.clear();
  resumes.clear();
  progress.clear();
}

async function readAll() {
  const number = ++reads;
  const heard = { operations: [], vms: new Set() };
  HEARD.add(heard);
  try {
    const [items, known] = await Promise.all([api.all("/v1/vms"), api.all("/v1/operations", 500)]);
    if (number < newestRead) {
      return; // Overtaken by one that began later.
    }
    newestRead = number;
    vms.clear();
    items.forEach(vm => vms.set(vm.name, vm));
    operations.clear();
    resumes.clear();
    known.reverse().concat(heard.operations).forEach(note); // The oldest first: later ones replace them.
    [...heard.vms].forEach(refresh); // What was read of them may be older.
    changed();
  } finally {
    HEARD.delete(heard);
  }
}

/** From the begin of the last resume until the guest hardly waited for pages; of those before this daemon as reported. */
export function responsiveMillis(vm) {
  return resumes.get(vm.name)?.responsiveMillisEstimate ?? vm.lastRestore?.responsiveMillisEstimate;
}

export async function readVm(name) {
  try {
    vms.set(name, await api.get(`/v1/vms/${encodeURIComponent(name)}`));
  } catch (error) {
    if (error.status !== 404) {
      throw error;
    }
    vms.delete(name);
  }
  changed();
}

export function note(operation) {
  operations.set(operation.vm, operation);
  if (operation.kind === "resume" && operation.guestRunsMillis !== undefined) {
    resumes.set(operation.vm, operation);
  }
  if (operation.ended) {
    progress.delete(operation.vm);
  }
  changed();
}

function take(type, data) {
  switch (type) {
    case "operation":
      HEARD.forEach(heard => heard.operations.push(data));
      note(data);
      refresh(data.vm);
      break;
    case "progress":
      progress.set(data.vm, data);
      changed();
      break;
    case "vm":
      refresh(data.name);
      break;
    case "reset":
      refresh(null);
      break;
  }
}

/** Reads a VM again, soon: events come in bunches, and many at once are read in one go. */
function refresh(name) {
  if (name === null) {
    staleAll = true;
  } else {
    stale.add(name);
    HEARD.forEach(heard => heard.vms.add(name));
  }
  timer ??= setTimeout(async () => {
    const names = stale;
    const everything = staleAll || names.size > 20;
    timer = null;
    stale = new Set();
    staleAll = false;
    try {
      await (everything ? readAll() : Promise.all([...names].map(readVm)));
    } catch {
      // The stream has broken, too; when it is back everything is read.
    }
  }, REFRESH_MILLIS);
}
