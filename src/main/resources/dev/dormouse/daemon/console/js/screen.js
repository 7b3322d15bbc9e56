// The screen of a VM, by noVNC. Opening it makes the browser a client of the VM, which wakes one that is suspended: so it
// is opened only when somebody asks for it.

import * as api from "./api.js";
import * as rights from "./rights.js";
import { announce, h, setText } from "./dom.js";

/** Null in a build without it. */
const RFB = await import("../vendor/novnc/core/rfb.js").then(module => module.default, () => null);

/** Without the client's own cursor an idle guest seems to have none. */
const OPTIONS = { scaleViewport: true, showDotCursor: true, background: "transparent" };

export function screen(name) {
  let rfb = null;
  let reason = null;
  const target = h("div", { class: "screen-target" });
  const notice = h("p", { class: "notice", role: "status" });
  const open = h("button", { type: "button", class: "primary", id: "open-screen", onclick: connect }, "Open the screen");
  const cover = h("div", { class: "cover" }, notice, open);
  const keys = h("button", { type: "button", class: "small", hidden: true, onclick: () => rfb?.sendCtrlAltDel() }, "Ctrl-Alt-Del");
  const full = h("button", { type: "button", class: "small", hidden: true, onclick: () => target.requestFullscreen() }, "Full screen");
  const close = h("button", { type: "button", class: "small", hidden: true, onclick: () => rfb?.disconnect() }, "Close");
  const hint = h("span", { class: "hint", hidden: true }, "Shift+Esc leaves the screen");
  const frame = h("div", { class: "screen" }, target, cover);
  // The guest gets all keys, so there must be one that leads out again.
  frame.addEventListener("keydown", event => {
    if (event.key === "Escape" && event.shiftKey) {
      event.stopPropagation();
      event.preventDefault();
      close.focus();
    }
  }, { capture: true });

  function show(text, canOpen, connected = false) {
    setText(notice, text);
    open.hidden = !canOpen;
    cover.hidden = connected;
    [keys, full, close, hint].forEach(element => {
      element.hidden = !connected;
    });
  }

  function connect() {
    reason = null;
    show("Connecting: a suspended machine wakes now…", false);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const protocols = ["binary"];
    if (api.token() !== null) {
      protocols.push(`dormouse.bearer.${api.token()}`); // A WebSocket can set no header.
    }
    rfb = new RFB(target, `${scheme}//${location.host}/v1/vms/${encodeURIComponent(name)}/screen`, { wsProtocols: protocols });
    Object.assign(rfb, OPTIONS);
    rfb.addEventListener("connect", () => {
      show("", false, true);
      announce(`The screen of ${name} is connected`);
      rfb.focus();
    });
    rfb.addEventListener("securityfailure", event => {
      reason = event.detail.reason ?? "the VNC server refuses";
    });
    rfb.addEventListener("credentialsrequired", () => {
      reason = "the VNC server asks for a password, which the console has not";
      rfb.disconnect();
    });
    rfb.addEventListener("disconnect", event => {
      rfb = null;
      target.replaceChildren();
      show(reason ?? (event.detail.clean ? "The screen is closed." : "The connection was lost."), true);
    });
  }

  if (rights.mayOperate()) {
    show("Opening the screen wakes a machine that is suspended.", true);
  } else {
    show(`Opening a screen wakes a machine that is suspended, and its keys go to the guest. ${rights.whyNot()}`, false);
  }
  return {
    element: h("section", { class: "panel", "aria-labelledby": "screen-title" },
      h("header", {}, h("h2", { id: "screen-title" }, "Screen"), h("span", { class: "spring" }), hint, keys, full, close),
      frame),
    /** @param vm says whether it has a screen */
    update(vm) {
      if (RFB === null) {
        show("This build of Dormouse has no noVNC, so it shows no screens; any other VNC client does.", false);
      } else if (!vm.vnc && rfb === null) {
        show("This machine has no VNC server; 'dormouse vm create --vnc' makes one.", false);
      }
    },
    close() {
      rfb?.disconnect();
    },
  };
}
