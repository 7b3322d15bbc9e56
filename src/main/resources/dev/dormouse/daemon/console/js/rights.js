// What the token of this tab permits, in the words of the daemon, which decides all the same: nothing is offered that
// it would refuse.

const ROLES = ["viewer", "operator", "admin"];

let role = ROLES[0];
let patterns = null;

/** @param host the answer of `/v1/host` */
export function learn(host) {
  role = host.role;
  patterns = host.tokenVms ?? null;
}

/** Whether VMs may be woken, suspended and so on, their screens included. */
export function mayOperate() {
  return ROLES.indexOf(role) >= ROLES.indexOf("operator");
}

/** Whether the token is for all VMs, and so for what the host as a whole was like. */
export function seesHost() {
  return patterns === null;
}

/** Why something is not offered; "" if everything is. */
export function whyNot() {
  return mayOperate() ? "" : `Your token has the role ${role}, which may look and do nothing else: that takes the role operator.`;
}

/** Which VMs are shown; "" if all are. */
export function whichVms() {
  return seesHost() ? "" : `Your token is for some virtual machines only: ${patterns.join(", ")}.`;
}
