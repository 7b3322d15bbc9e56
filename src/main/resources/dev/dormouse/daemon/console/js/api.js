// The REST API, with the token of this tab. Events come by fetch, because EventSource can send no header.

const KEY = "dormouse.token";
const RETRY_MILLIS_MIN = 500;
const RETRY_MILLIS_MAX = 10_000;
const SILENCE_MILLIS_MAX = 35_000;

/** What the daemon answers instead of what was asked for; the message is its one line for people. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the daemon answers with status ${status}`);
    this.status = status;
    this.type = problem.type ?? "";
  }
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function setToken(text) {
  if (text) {
    sessionStorage.setItem(KEY, text);
  } else {
    sessionStorage.removeItem(KEY);
  }
}

function headers() {
  const known = token();
  return known ? { Authorization: `Bearer ${known}` } : {};
}

async function request(method, path, options = {}) {
  let response;
  try {
    response = await fetch(path, { method, headers: { ...headers(), ...options.headers }, cache: "no-store", ...options.init });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new ApiError(0, { detail: "the daemon does not answer" });
  }
  if (response.ok) {
    return response;
  }
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) {
    document.dispatchEvent(new CustomEvent("signed-out", { detail: problem.detail }));
  }
  throw new ApiError(response.status, problem);
}

export async function get(path) {
  return (await request("GET", path)).json();
}

export async function post(path, body) {
  const response = await request("POST", path, {
    headers: { "Content-Type": "application/json" },
    init: { body: body === undefined ? null : JSON.stringify(body) },
  });
  return response.json();
}

export async function cancel(operation) {
  return (await request("DELETE", `/v1/operations/${encodeURIComponent(operation)}`)).json();
}

/** All items of a resource that comes in pages. */
export async function all(path, itemsMax = Infinity) {
  const items = [];
  let after = null;
  do {
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}limit=500${after === null ? "" : `&after=${encodeURIComponent(after)}`}`);
    items.push(...page.items);
    after = page.next ?? null;
  } while (after !== null && items.length < itemsMax);
  return items;
}

/**
 * Follows a stream of server-sent events, and connects again when it breaks.
 *
 * @param take called with the type and the data of each event
 * @param onState called with `live` or `lost` when that changes
 * @param resumable whether the stream knows `after`
 * @return a function that ends it
 */
export function follow(path, take, onState = () => {}, resumable = false) {
  const end = new AbortController();
  (async () => {
    let lastId = null;
    let retryMillis = RETRY_MILLIS_MIN;
    while (!end.signal.aborted) {
      try {
        const after = resumable && lastId !== null ? `${path.includes("?") ? "&" : "?"}after=${lastId}` : "";
        const response = await request("GET", path + after, { init: { signal: end.signal } });
        onState("live");
        retryMillis = RETRY_MILLIS_MIN;
        for await (const event of events(response.body)) {
          lastId = event.id ?? lastId;
          take(event.type, event.data);
        }
      } catch (error) {
        if (end.signal.aborted) {
          return;
        }
        if (error instanceof ApiError && (error.status === 401 || error.status === 403 || error.status === 404)) {
          onState("lost");
          return; // Somebody has to do something about it first.
        }
      }
      onState("lost");
      await new Promise(resolve => setTimeout(resolve, retryMillis));
      retryMillis = Math.min(2 * retryMillis, RETRY_MILLIS_MAX);
    }
  })();
  return () => end.abort();
}

/** The next piece of a stream; one that says nothing for long is lost, for the daemon sends a comment each ten seconds. */
async function next(reader) {
  let timer = null;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the stream is silent")), SILENCE_MILLIS_MAX);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** The events of a stream, as the HTML standard has them; comments are passed over. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let { value, done } = await next(reader); !done; { value, done } = await next(reader)) {
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      yield* parts.map(parse).filter(({ data }) => data !== null);
    }
  } finally {
    reader.cancel().catch(() => {}); // Or the connection would stay.
  }
}

function parse(text) {
  const event = { type: "message", id: null, data: null };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).trimStart();
    switch (line.slice(0, colon)) {
      case "id": event.id = value; break;
      case "event": event.type = value; break;
      case "data": event.data = JSON.parse(value); break;
    }
  }
  return event;
}
