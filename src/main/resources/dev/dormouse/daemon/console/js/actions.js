// Doing something with a VM: asks where that may cost something, and shows what the daemon answers.

import * as api from "./api.js";
import * as store from "./store.js";
import { alertError, announce, ask } from "./dom.js";

const QUESTIONS = {
  stop: vm => ask(`Stop ${vm.name}?`,
    "The guest is asked to shut down. To power it off ends QEMU at once, as if the power failed.",
    [
      { label: "Cancel", value: "" },
      { label: "Power off", value: "force", class: "danger" },
      { label: "Shut down", value: "stop", class: "primary" },
    ]),
  start: vm => vm.state !== "crashed" ? "start" : ask(`Boot ${vm.name}?`,
    "It crashed after a resume. Booting takes its newest files; what its image holds is not restored.",
    [{ label: "Cancel", value: "" }, { label: "Boot", value: "start", class: "primary" }]),
};

/** Does `start`, `stop`, `suspend`, `resume` or `checkpoint`; what happens then comes as events. */
export async function act(action, vm) {
  const answer = await (QUESTIONS[action]?.(vm) ?? action);
  if (answer === "") {
    return;
  }
  try {
    const body = answer === "force" ? { force: true } : undefined;
    const result = await api.post(`/v1/vms/${encodeURIComponent(vm.name)}/${action}`, body);
    if (result.kind) {
      store.note(result);
    }
    announce(`${vm.name}: ${action} begun`);
  } catch (error) {
    alertError(error.message);
  }
}

export async function cancel(operation) {
  try {
    store.note(await api.cancel(operation.id));
  } catch (error) {
    alertError(error.message);
  }
}
