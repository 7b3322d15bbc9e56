// The frame of the console: sign-in, theme, the connection to the daemon, and which page is shown.

import * as api from "./api.js";
import * as store from "./store.js";
import * as host from "./host.js";
import * as list from "./list.js";
import * as rights from "./rights.js";
import * as vm from "./vm.js";
import { alertError, setText } from "./dom.js";

const main = document.getElementById("main");
let leave = () => {};

function route() {
  const [page, name] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (page === "main") {
    return; // The link past the navigation.
  }
  leave();
  leave = () => {};
  leave = pageOf(page, name)(main, name) ?? (() => {});
  document.querySelectorAll("[data-nav]").forEach(link => {
    const here = link.dataset.nav === (page === "host" ? "host" : "vms");
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  });
  document.title = `${page === "vms" ? name : page === "host" ? "Host" : "Virtual machines"} – Dormouse`;
}

function pageOf(page, name) {
  if (page === "vms" && name) {
    return vm.show;
  }
  return page === "host" ? host.show : list.show;
}

function showLink(state) {
  const link = document.getElementById("link");
  link.className = `link ${state}`;
  setText(link, state === "live" ? "Live" : "Reconnecting…");
}

async function begin() {
  try {
    rights.learn(await api.get("/v1/host")); // One request shows whether the token is right; wrong ones are counted.
    route();
    await store.open(showLink);
  } catch (error) {
    if (error.status === 401) {
      return; // The dialog is open.
    }
    alertError(error.message);
  }
  document.getElementById("sign-out").hidden = api.token() === null;
}

function askForToken(why) {
  const dialog = document.getElementById("sign-in");
  if (dialog.open) {
    return; // Several requests are refused at once.
  }
  setText(document.getElementById("sign-in-error"), api.token() === null ? "" : why ?? "");
  api.setToken(null);
  store.close();
  dialog.showModal();
}

function prepareSignIn() {
  const dialog = document.getElementById("sign-in");
  const input = document.getElementById("token");
  dialog.addEventListener("cancel", event => event.preventDefault()); // Nothing can be shown without a token.
  dialog.addEventListener("close", () => {
    api.setToken(input.value.trim());
    input.value = "";
    void begin();
  });
  document.addEventListener("signed-out", event => askForToken(event.detail));
  document.getElementById("sign-out").addEventListener("click", () => {
    api.setToken(null);
    location.reload();
  });
}

function prepareTheme() {
  const select = document.getElementById("theme");
  const apply = () => {
    document.documentElement.dataset.theme = select.value;
    document.dispatchEvent(new CustomEvent("theme"));
  };
  select.value = localStorage.getItem("dormouse.theme") ?? "auto";
  select.addEventListener("change", () => {
    localStorage.setItem("dormouse.theme", select.value);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}

prepareTheme();
prepareSignIn();
window.addEventListener("hashchange", () => {
  route();
  main.focus({ preventScroll: true });
});
void begin();
