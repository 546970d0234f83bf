/**
 * What the pages of all examples have: a connection, somebody to be, and a few words with the
 * page.
 */

import { RealtimeClient } from "/client/realtime.js";

export const projectId = document.querySelector("meta[name=project]").content;

const EXAMPLES = {
  orders: "Orders",
  chat: "Chat",
  document: "Document",
  auction: "Auction",
  ai: "AI",
};
const NAMES = [
  ..."Ada Amir Bea Chen Dana Emil Farah Gus Hana Ivo Jun Kaya Leo Mina Nils Olga Pia Ravi".split(" "),
  ..."Sarah Tom Uma Vera Wei Yara Zoe".split(" "),
];

const query = new URLSearchParams(location.search);
const any = (choices) => choices[Math.floor(Math.random() * choices.length)];
const chosen = parameter("name", "").trim().slice(0, 20) || any(NAMES);

/** Who this tab is: somebody else than the next tab. */
export const me = {
  name: chosen,
  id: `${chosen}-${crypto.randomUUID().slice(0, 8)}`,
  hue: Math.floor(Math.random() * 360),
};

/** The name in somebody's id. */
export function nameOf(id) {
  return String(id).replace(/-[0-9a-f]{8}$/, "");
}

/** What the page's address says. */
export function parameter(name, otherwise) {
  return query.get(name) || otherwise;
}

export const at = (id) => document.getElementById(id);

/** Make an element; texts in it are text, whatever stands in them. */
export function element(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "key") made.dataset.key = value;
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Show items as the children of an element.  Those that look as before stay, and with them the
 * focus; each has a `key` that tells it from others.
 */
export function show(parent, items, make) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const after = items.map((item) => {
    const made = make(item);
    const old = before.get(made.dataset.key);
    return old?.isEqualNode(made) ? old : made;
  });
  const focused = parent.contains(document.activeElement)
    ? document.activeElement.closest("[data-key]")
    : null;
  const staying = new Set(after);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  after.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (focused && !focused.isConnected) {
    const heir = after.find((child) => child.dataset.key === focused.dataset.key) ?? after[0];
    heir?.querySelector("button")?.focus();
  }
}

/** Tell what went wrong, until something is told again. */
export function complain(message) {
  at("trouble").textContent = message;
}

/** Ask the example's server, which is a part of the daemon here. */
export async function ask(action, given = {}) {
  let answer;
  try {
    const response = await fetch(`/examples/api/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
    answer = await response.json();
    if (response.ok) {
      complain("");
      return answer;
    }
  } catch {
    answer = { message: "The daemon does not answer. Is it running?" };
  }
  complain(answer.message);
  return null;
}

const STATUS = {
  idle: "Not connected",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Connecting again…",
  disconnected: "Disconnected",
};

/** Connect, and show on the page how that goes. */
export function connect(onError = (error) => complain(error.message)) {
  const realtime = new RealtimeClient({ projectId, userId: me.id, onError });
  // [status]
  realtime.onStatusChange((status) => {
    // 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected'
    console.log('Connection status:', status)
  })
  // [/status]
  realtime.onStatusChange((status) => {
    at("status").textContent = STATUS[status];
    at("status").dataset.status = status;
    // What was told of the connection before is over.
    if (status === "connected") complain("");
  });
  return realtime;
}

/** Show who is there: everybody who is present on a topic with `{ name, hue, ... }`. */
export function showPeople(members, verb) {
  const people = [...members.values()].sort((one, other) => one.since - other.since);
  at("count").textContent = `${people.length} ${people.length === 1 ? "user" : "users"} ${verb}`;
  show(at("people"), people, ({ connectionId, state }) => {
    const name = String(state.name);
    const initials = element("span", { ariaHidden: "true" }, name.slice(0, 2));
    const whole = element("span", { className: "hidden" }, name);
    return colour(element("li", { key: connectionId, title: name }, initials, whole), state.hue);
  });
}

/** Give an element somebody's colour. */
export function colour(shown, hue) {
  shown.style.setProperty("--hue", Number(hue) || 0);
  return shown;
}

// The page's frame

function makeHeader() {
  const here = location.pathname;
  const links = Object.entries(EXAMPLES).map(([name, title]) => {
    const link = element("a", { href: `/examples/${name}/` }, title);
    if (here.startsWith(`/examples/${name}/`)) link.setAttribute("aria-current", "page");
    return element("li", {}, link);
  });
  return element(
    "header",
    {},
    element("a", { href: "/", className: "home" }, "aerostack-rt"),
    element("nav", { ariaLabel: "Examples" }, element("ul", {}, ...links)),
    element("p", { id: "you" }, "You are ", element("b", {}, me.name)),
    element("p", { id: "status", role: "status" }, STATUS.idle),
  );
}

/** The lines of a file between `[part]` and `[/part]`. */
function partOf(source, part) {
  if (!part) return source.trimEnd();
  const lines = source.split("\n");
  const [first, last] = ["[", "[/"].map((mark) =>
    lines.findIndex((line) => line.endsWith(`${mark}${part}]`)),
  );
  const found = lines.slice(first + 1, last);
  const indents = found.filter((line) => line.trim()).map((line) => line.search(/\S/));
  return found
    .map((line) => line.slice(Math.min(...indents)))
    .join("\n")
    .trim();
}

/** Show in a figure the code that it names: it is the very file that runs. */
async function showSource(figure) {
  const { source, part } = figure.dataset;
  const response = await fetch(source);
  const code = partOf(await response.text(), part);
  const copy = element("button", { type: "button", className: "quiet" }, "Copy");
  copy.onclick = async () => {
    await navigator.clipboard.writeText(code);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  };
  const where = element("a", { href: source }, source.replace("../", ""));
  const caption = figure.querySelector("figcaption");
  const label = caption.textContent.trim();
  caption.append(element("span", {}, where, copy));
  const block = element("pre", { tabIndex: 0, ariaLabel: label, role: "region" });
  block.append(element("code", {}, code));
  figure.append(block);
}

document.body.prepend(makeHeader());
at("trouble").setAttribute("role", "alert");
document.querySelectorAll("figure[data-source]").forEach(showSource);
