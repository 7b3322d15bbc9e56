// The host: what its VMs take of it now, and took over time.

import * as api from "./api.js";
import * as history from "./history.js";
import * as rights from "./rights.js";
import * as store from "./store.js";
import { chart } from "./charts.js";
import { givenBackBytes, isAwake } from "./states.js";
import { alertError, h, setText } from "./dom.js";
import { ago, bytes } from "./format.js";

const SAMPLES_MAX = 720; // Of more than that a chart shows no more.
const READ_MILLIS = 60_000;

export function show(main) {
  const labels = ["Virtual machines", "Awake", "Memory of those awake", "Memory given back", "Images", "Daemon started"];
  const tiles = labels.map(label => {
    const value = h("dd");
    return { value, element: h("div", { class: "tile" }, h("dt", {}, label), value) };
  });
  const memory = chart("Memory", [
    { label: "Given back", colour: "--asleep", value: sample => sample.givenBackBytes, fill: true },
    { label: "Awake", colour: "--good", value: sample => sample.awakeBytes, fill: true },
    { label: "Images", colour: "--map-demanded", value: sample => sample.imageBytes ?? null },
  ], bytes, { binary: true, empty: "No sample was recorded yet; there is one for each minute." });
  const count = chart("Virtual machines awake", [
    { label: "Awake", colour: "--good", value: sample => sample.awakeVms, fill: true },
  ], value => String(Math.round(value * 10) / 10), { empty: "No sample was recorded yet." });
  const home = h("p", { class: "soft" });
  const limits = h("p", { class: "hint", id: "limits", hidden: rights.seesHost() },
    `${rights.whichVms()} What all of them took of the host over time is not for it.`);
  memory.element.hidden = count.element.hidden = !rights.seesHost();
  main.replaceChildren(h("div", { class: "page" },
    h("div", { class: "head" }, h("h1", {}, "Host"), home),
    h("dl", { class: "tiles" }, tiles.map(tile => tile.element)),
    limits,
    memory.element,
    count.element));

  let host = null;
  function now() {
    const vms = [...store.vms.values()];
    const sum = of => vms.reduce((total, vm) => total + (of(vm) ?? 0), 0);
    return {
      time: new Date().toISOString(),
      vms: vms.length,
      awakeVms: vms.filter(isAwake).length,
      awakeBytes: sum(vm => isAwake(vm) ? vm.memoryBytes : 0),
      givenBackBytes: sum(givenBackBytes),
      imageBytes: sum(vm => givenBackBytes(vm) === 0 ? 0 : vm.imageBytes), // Those that hold it, as in the samples.
    };
  }

  function render() {
    const sample = now();
    [
      String(sample.vms),
      String(sample.awakeVms),
      bytes(sample.awakeBytes),
      bytes(sample.givenBackBytes),
      bytes(sample.imageBytes),
      host === null ? "–" : ago(host.started),
    ].forEach((text, i) => setText(tiles[i].value, text));
  }

  async function read() {
    try {
      host = await api.get("/v1/host");
      setText(home, `Home ${host.home}, process ${host.pid}${host.version ? `, version ${host.version}` : ""}`);
      const samples = rights.seesHost() ? await history.ofHost() : [];
      if (store.vms.size > 0) {
        samples.push(now()); // The newest one may be a minute old.
      }
      const step = Math.ceil(samples.length / SAMPLES_MAX);
      const some = samples.filter((_, i) => (samples.length - 1 - i) % step === 0);
      memory.update(some);
      count.update(some);
    } catch (error) {
      if (error.status !== 401) {
        alertError(error.message);
      }
    }
    render();
  }

  render();
  void read();
  const unlisten = store.listen(render);
  const again = setInterval(read, READ_MILLIS);
  return () => {
    unlisten();
    clearInterval(again);
    memory.close();
    count.close();
  };
}
