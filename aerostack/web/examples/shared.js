/**
 * What the pages of all examples share: the connection, the user of this tab, requests to the
 * examples' server, and the frame of the page.
 */

import { RealtimeClient } from "../client/realtime.js";
import { at, copyOnClick, daemon, make, setLinked, showList } from "../shared/dom.js";

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

/** The user of this tab. Another tab is another user. */
export const me = {
  name: chosen,
  id: `${chosen}-${crypto.randomUUID().slice(0, 8)}`,
  hue: Math.floor(Math.random() * 360),
};

/** The time of the day, of a number of milliseconds since 1970. */
export function clock(time) {
  return new Date(time).toLocaleTimeString([], { timeStyle: "medium" });
}

/** The name in a user's id. */
export function nameOf(id) {
  return String(id).replace(/-[0-9a-f]{8}$/, "");
}

/** A parameter of the page's address, or `otherwise` if the address does not have it. */
export function parameter(name, otherwise) {
  return query.get(name) || otherwise;
}

/** Show an error. The next call replaces it; an empty message removes it. */
export function complain(message) {
  setLinked(at("trouble"), message);
}

/**
 * Ask the example's server, which is a part of the daemon here. Give the answer, or `null` after an
 * error, which the page then shows.
 */
export async function ask(action, given = {}) {
  let answer;
  try {
    const response = await fetch(`${daemon}/examples/api/${action}`, {
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

/** Connect, and show the status of the connection on the page. */
export function connect(onError = (error) => complain(error.message)) {
  const realtime = new RealtimeClient({ baseUrl: daemon, projectId, userId: me.id, onError });
  // [status]
  realtime.onStatusChange((status) => {
    // 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected'
    console.log('Connection status:', status)
  })
  // [/status]
  realtime.onStatusChange((status) => {
    at("status").textContent = STATUS[status];
    at("status").dataset.status = status;
    // Errors of the connection before do not matter any more.
    if (status === "connected") complain("");
  });
  return realtime;
}

// So many members have a circle of their own.
const CIRCLES = 12;

/** Show the members of a topic. Each member has a state `{ name, hue, ... }`. */
export function showPeople(members, verb) {
  const people = [...members.values()].sort((one, other) => one.since - other.since);
  at("count").textContent = `${people.length} ${people.length === 1 ? "user" : "users"} ${verb}`;
  const first = people.slice(0, people.length > CIRCLES ? CIRCLES - 1 : CIRCLES);
  showList(at("people"), first, ({ connectionId, state }) => {
    const name = String(state.name);
    const initials = make("span", { "aria-hidden": "true" }, name.slice(0, 2));
    const whole = make("span", { class: "unseen" }, name);
    return setHue(make("li", { "data-key": connectionId, title: name }, initials, whole), state.hue);
  });
  if (people.length > CIRCLES) {
    const others = make("span", { class: "unseen" }, " others");
    at("people").append(make("li", { "data-key": "others" }, `+${people.length - first.length}`, others));
  }
}

/** Give an element a user's colour. */
export function setHue(shown, hue) {
  shown.style.setProperty("--hue", Number(hue) || 0);
  return shown;
}

// The page's frame

function makeHeader() {
  const links = Object.entries(EXAMPLES).map(([name, title]) => {
    const link = make("a", { href: `${daemon}/examples/${name}/` }, title);
    if (location.href.startsWith(link.href)) link.setAttribute("aria-current", "page");
    return make("li", {}, link);
  });
  return make(
    "header",
    {},
    make("a", { href: `${daemon}/`, class: "home" }, "aerostack-rt"),
    make("nav", { "aria-label": "Examples" }, make("ul", {}, ...links)),
    make("a", { href: `${daemon}/docs/examples.html` }, "Documentation"),
    make("p", { id: "you" }, "You are ", make("b", {}, me.name)),
    make("p", { id: "status", role: "status" }, STATUS.idle),
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

/** Show in a figure the code that it names. The code comes from the file that this page runs. */
async function showSource(figure) {
  const { source, part } = figure.dataset;
  const response = await fetch(source);
  const code = partOf(await response.text(), part);
  const copy = make("button", { type: "button", class: "quiet" }, "Copy");
  copyOnClick(copy, () => code);
  const where = make("a", { href: source }, source.replace("../", ""));
  const caption = figure.querySelector("figcaption");
  const label = caption.textContent.trim();
  caption.append(make("span", {}, where, copy));
  const block = make("pre", { tabindex: 0, "aria-label": label, role: "region" });
  block.append(make("code", {}, code));
  figure.append(block);
}

document.body.prepend(makeHeader());
at("trouble").setAttribute("role", "alert");
document.querySelectorAll("figure[data-source]").forEach(showSource);
