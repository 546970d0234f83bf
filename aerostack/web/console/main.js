/**
 * The console: it signs in, opens views, and shows failures.
 */

import { Api } from "./api.js";
import { Connections } from "./connections.js";
import { at, setAttribute, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { Inspector } from "./inspector.js";
import { Loop } from "./loop.js";
import { Overview } from "./overview.js";
import { Refusals } from "./refusals.js";
import { keyIn, parse, VIEWS } from "./route.js";
import { Samples } from "./samples.js";
import { Streams } from "./streams.js";
import { suggestTopics } from "./suggesting.js";
import { Topics } from "./topics.js";
import { Why } from "./why.js";

const STORED = "aerostack-rt console";

const samples = new Samples();
const overview = new Overview(samples);
/** @type {Record<string, import("./interfaces.js").View>} */
const views = {
  overview,
  connections: new Connections(refreshSoon),
  topics: new Topics(refreshSoon),
  streams: new Streams(refreshSoon),
  refusals: new Refusals(),
  inspector: new Inspector(),
  why: new Why(),
};

let api = null;
let secret = null;
let current = null;
let refreshed = -Infinity;
let retry;

const loop = new Loop(turn, told);

async function turn(signal) {
  const answer = await api.get("overview", { since: samples.newest }, signal);
  // The user has signed out meanwhile.
  if (signal.aborted) return;
  api.project = answer.project;
  samples.add(answer.samples, answer.now);
  const uptime = format.age(answer.now - answer.started);
  setText(at("about"), `Project ${answer.project}, version ${answer.version}, up ${uptime}`);
  overview.present(answer);
  const view = views[current];
  // Views without `refresh` get what they show in other ways.
  if (!view?.refresh || performance.now() - refreshed < view.every) return;
  refreshed = performance.now();
  const problem = at(current).querySelector(":scope > .error");
  try {
    await view.refresh(api, signal, answer.now);
    setText(problem, "");
  } catch (error) {
    if (!error.isAboutRequest) throw error;
    setLinked(problem, error.message);
  }
}

function refreshSoon() {
  refreshed = -Infinity;
  loop.soon();
}

// The outcome of each turn

const SAID = {
  live: () => "Live",
  away: (message) => `${message} Trying again`,
  refused: (message) => `Refused: ${message}`,
  broken: (message) => `This page has failed: ${message} Load it again.`,
};

function told(state, error, delay) {
  clearInterval(retry);
  if (state === "keyless") {
    signOut(error.message);
    return;
  }
  say(state, SAID[state](error?.message));
  document.body.dataset.state = state;
  if (state === "broken") throw error;
  if (state === "live") showApp();
  else if (delay > 1500) countDown(Date.now() + delay);
  // The daemon may accept another key.
  if (state === "refused" && !current) askForKey(error.message);
}

/** Show the state. Screen readers read it when the text changes. */
function say(state, text) {
  setAttribute(at("status"), "data-state", state);
  setText(at("status").firstElementChild, text);
  setText(at("status").lastElementChild, "");
}

function countDown(until) {
  const show = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    setText(at("status").lastElementChild, seconds > 0 ? ` in ${seconds} s` : "");
  };
  show();
  retry = setInterval(show, 1000);
}

// Signing in

/**
 * Keep the key across a reload; `null` forgets it.
 *
 * The key is in this page's own entries of the tab's history, which no other page can read. Session
 * storage is not safe enough: other pages of the daemon have the same origin, and they show what
 * strangers write. They can read only a random number there, without which the entry does not count.
 */
function remember(key) {
  secret = key;
  try {
    if (key === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, crypto.getRandomValues(new Uint32Array(4)).join("-"));
  } catch {
    // In a browser that lets pages store nothing, the key lasts as long as the page.
  }
  note();
}

/** Keep the key in the present entry of the history. */
function note() {
  let turn = null;
  try {
    turn = sessionStorage.getItem(STORED);
  } catch {
    // As above.
  }
  history.replaceState(secret && turn ? { key: secret, turn } : null, "");
}

function remembered() {
  const { key = null, turn = null } = history.state ?? {};
  try {
    return turn && turn === sessionStorage.getItem(STORED) ? key : null;
  } catch {
    return null;
  }
}

function signIn(key) {
  setText(at("key-error"), "");
  try {
    api = new Api(key);
  } catch (error) {
    signOut(error.message);
    return;
  }
  remember(key);
  say("asking", "Asking…");
  loop.start();
}

function signOut(message = "") {
  loop.stop();
  clearInterval(retry);
  api = null;
  remember(null);
  showView(null);
  at("views").hidden = at("leave").hidden = true;
  setText(at("about"), "");
  say("idle", "Not signed in");
  askForKey(message);
}

function askForKey(message) {
  setText(at("key-error"), message);
  if (!at("signin").hidden) return;
  at("signin").hidden = false;
  at("key").focus();
}

/** The daemon has accepted the key: show the views. */
function showApp() {
  if (current) return;
  const asked = !at("signin").hidden;
  at("signin").hidden = true;
  at("key").value = "";
  at("views").hidden = at("leave").hidden = false;
  route();
  if (asked) at(`${current}-title`).focus();
}

// Views

function showView(name, query = {}) {
  const before = current;
  if (before && before !== name) views[before].hide();
  current = name;
  for (const each of VIEWS) at(each).hidden = each !== name;
  for (const link of at("views").children) {
    const chosen = link.getAttribute("href") === `#${name}`;
    setAttribute(link, "aria-current", chosen ? "page" : null);
  }
  if (!name) return;
  const title = at(`${name}-title`);
  document.title = `${title.textContent} · aerostack-rt console`;
  views[name].show(query, api);
  // The focus goes to the new view, because the old one is hidden.
  if (before && before !== name) {
    scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }
  refreshSoon();
}

function route() {
  const key = keyIn(location.hash);
  if (key !== null) {
    // The address bar and the history must not show the key.
    history.replaceState(null, "", location.pathname + location.search);
    signIn(key);
    return;
  }
  if (!api) return;
  note();
  if (!loop.isRunning) return;
  const { view, query } = parse(location.hash);
  showView(view, query);
}

at("signin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(at("key").value.trim());
});
at("skip").addEventListener("click", (event) => {
  // Without the link's own effect: the address names the view.
  event.preventDefault();
  at("main").focus();
});
at("leave").addEventListener("click", () => {
  signOut();
  // A reload removes everything that the page has shown.
  location.reload();
});
addEventListener("hashchange", route);
addEventListener("online", () => loop.soon());
document.addEventListener("visibilitychange", () => {
  // While the page is hidden it asks nothing: the daemon keeps the samples of the last minutes.
  if (document.hidden) loop.stop();
  else if (api) loop.start();
});

suggestTopics(() => api);

const stored = remembered();
if (keyIn(location.hash) !== null) route();
else if (stored) signIn(stored);
else signOut();
