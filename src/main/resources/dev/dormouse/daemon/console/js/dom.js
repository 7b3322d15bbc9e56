// A little help with the document. Texts go in as text, never as HTML.

/**
 * Makes an element. Properties that begin with `on` are listeners, `class` and those with a dash are attributes, all
 * others are properties of the element; null and false leave a property or a child out.
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "class" || name === "role" || name === "for" || name === "scope" || name.includes("-")) {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** Changes a text only if it is another one: nothing is announced or painted anew otherwise. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

export function setClass(element, name) {
  if (element.className !== name) {
    element.className = name;
  }
}

/** Puts the children into this order; one that is in its place is not touched, so it keeps its focus. */
export function arrange(parent, children) {
  children.forEach((child, index) => {
    if (parent.children[index] !== child) {
      parent.insertBefore(child, parent.children[index] ?? null);
    }
  });
  while (parent.children.length > children.length) {
    parent.lastElementChild.remove();
  }
}

/** Says something to those who cannot see it change. */
export function announce(text) {
  setText(document.getElementById("live"), text);
}

/** Shows an error, in the words of the daemon, until it is closed. */
export function alertError(text) {
  const alerts = document.getElementById("alerts");
  for (const shown of alerts.children) {
    if (shown.firstChild.textContent === text) {
      return;
    }
  }
  const alert = h("div", { class: "alert" },
    h("span", {}, text),
    h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => alert.remove() }, "×"));
  alerts.prepend(alert);
  while (alerts.children.length > 4) {
    alerts.lastElementChild.remove();
  }
}

/** Asks a question; the answer is the value of a button, or "" for Escape. */
export function ask(title, text, buttons) {
  const dialog = document.getElementById("ask");
  setText(document.getElementById("ask-title"), title);
  setText(document.getElementById("ask-text"), text);
  document.getElementById("ask-buttons").replaceChildren(...buttons.map(button =>
    h("button", { type: "submit", value: button.value, class: button.class ?? "" }, button.label)));
  return new Promise(resolve => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}
