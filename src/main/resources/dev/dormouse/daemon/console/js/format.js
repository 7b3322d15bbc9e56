// Figures as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const NONE = "–";

export function bytes(count) {
  if (count === null || count === undefined) {
    return NONE;
  }
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit > 0 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export function millis(value) {
  if (value === null || value === undefined) {
    return NONE;
  }
  return value < 10 && value % 1 !== 0 ? `${value.toFixed(1)} ms` : value < 1000 ? `${Math.round(value)} ms` : value < 60_000 ? `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`
    : `${Math.floor(value / 60_000)} min ${Math.round(value % 60_000 / 1000)} s`;
}

export function micros(value) {
  if (value === null || value === undefined) {
    return NONE;
  }
  return value < 1000 ? `${Math.round(value)} µs` : millis(value / 1000);
}

export function number(value) {
  return value === null || value === undefined ? NONE : value.toLocaleString("en");
}

/** How long ago, in one word: what is exact stands in the title. */
export function ago(time) {
  if (!time) {
    return NONE;
  }
  const seconds = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (seconds < 60) {
    return "just now";
  }
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min ago`;
  }
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

export function clock(time) {
  if (!time) {
    return NONE;
  }
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  const hours = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return today ? hours : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${hours}`;
}

export function words(state) {
  return state.charAt(0).toUpperCase() + state.slice(1);
}
