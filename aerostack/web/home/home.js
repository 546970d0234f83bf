/**
 * The daemon's page. It watches a topic, publishes to it, and shows the code of a page that does the
 * same.
 */

import { RealtimeClient } from "../client/realtime.js";
import { at, copyOnClick, daemon, linked, make, setLinked, setText } from "../shared/dom.js";
import { creation, insertion, page, tableOf } from "./lines.js";

// The list keeps at most so many frames.
const MOST_FRAMES = 200;
// It shows so many characters of a frame.
const LONGEST = 4000;
// How often a screen reader hears of new frames at most, and how often the page asks for a missing
// table; in milliseconds.
const PAUSE = 3000;
const RETRY = 2000;

const database = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=database]")).content;

let realtime = null;
let channel = null;
// The project and the key of the present client.
let credentials = "";
let came = 0;
let heard = 0;
let hearing;
let asking;

// What came

function show(what, value, failed = false) {
  const whole = (typeof value === "string" ? value : JSON.stringify(value)) ?? "";
  const body =
    whole.length > LONGEST ? `${whole.slice(0, LONGEST)}… (${whole.length} characters in all)` : whole;
  const item = make(
    "li",
    { class: failed ? "error" : null },
    make("time", {}, new Date().toLocaleTimeString()),
    make("span", { class: "frame" }, what),
    make("code", {}, linked(body)),
  );
  const frames = at("frames");
  frames.prepend(item);
  while (frames.childElementCount > MOST_FRAMES) frames.lastElementChild.remove();
  came += 1;
  setText(at("count"), `${came} ${came === 1 ? "frame" : "frames"}, newest first`);
  hear(what, body);
}

/** Let a screen reader say what came, but not each of many frames. */
function hear(what, body) {
  if (hearing !== undefined) return;
  const news = came - heard;
  heard = came;
  setText(at("heard"), news > 1 ? `${news} new frames` : `${what} ${body.slice(0, 100)}`);
  hearing = setTimeout(() => {
    hearing = undefined;
    if (came > heard) hear(what, body);
  }, PAUSE);
}

function say(text, failed = false) {
  at("state").className = failed ? "error" : "";
  setLinked(at("state"), text);
}

function showStatus(status, { error, delay }) {
  const why = error ? ` ${error.message}` : "";
  const when = delay === undefined ? "" : ` Trying again in ${(delay / 1000).toFixed(0)} s.`;
  const lines = { connected: "Connected.", connecting: "Connecting…" };
  at("status").dataset.status = status;
  setLinked(at("status"), lines[status] ?? `Not connected.${why}${when}`);
}

// A table that is missing

function showMissing(topic, message) {
  const table = tableOf(topic);
  say(message, true);
  at("missing").hidden = false;
  at("writing").hidden = true;
  setText(at("table"), creation(table, database));
  at("making").hidden = database === "postgresql" || table !== "orders" || at("examples").hidden;
  asking ??= setTimeout(() => {
    asking = undefined;
    subscribe(topic);
  }, RETRY);
}

at("make").onclick = async () => {
  let message;
  try {
    const response = await fetch(`${daemon}/examples/api/orders/create`, { method: "POST", body: "{}" });
    if (!response.ok) ({ message } = await response.json());
  } catch {
    message = "The daemon does not answer.";
  }
  if (message) say(`The table was not made: ${message}`, true);
  else subscribe("orders");
};

// Watching

function subscribe(topic) {
  clearTimeout(asking);
  asking = undefined;
  channel?.unsubscribe();
  const mine = (channel = realtime.channel(topic));
  mine.on("*", ({ operation, event, data, old }) => {
    show(operation ?? event, operation === "UPDATE" ? { old, new: data } : data);
  });
  mine.onGap(({ reason }) => show("missed", `what is shown may be wrong: ${reason}`, true));
  mine.onFeedChange((feed, message) => show(`feed ${feed}`, message || "", feed === "down"));
  mine.onStateChange((state) => {
    if (mine !== channel || state !== "subscribed") return;
    at("missing").hidden = true;
    at("writing").hidden = tableOf(topic) === null;
    say(`Watching ${topic}.`);
  });
  mine.subscribe();
}

function watch(topic) {
  at("missing").hidden = at("writing").hidden = true;
  const table = tableOf(topic);
  at("publishing").hidden = table !== null;
  if (table !== null) setText(at("row"), insertion(table, database));
  const options = { baseUrl: daemon, projectId: at("project").value };
  if (at("key").value) options.apiKey = at("key").value;
  setText(at("lines"), page(topic, daemon, options));
  at("frames").replaceChildren();
  came = heard = 0;
  setText(at("count"), "nothing yet");
  say(`Asking for ${topic}…`);
  subscribe(topic);
}

function failed(error) {
  const topic = at("topic").value;
  if (error.code === "unauthorized" && !at("key").value) {
    at("credentials").open = true;
    say(`The project ${at("project").value} needs its public key.`, true);
    return;
  }
  if (error.code === "unknown_table" && tableOf(topic) !== null) showMissing(topic, error.message);
  else if (channel?.state !== "subscribed") say(error.message, true);
  else show(error.code, error.message, true);
}

function connect() {
  const now = JSON.stringify([at("project").value, at("key").value]);
  if (now === credentials) return;
  credentials = now;
  channel = null;
  realtime?.disconnect();
  realtime = new RealtimeClient({
    baseUrl: daemon,
    projectId: at("project").value,
    apiKey: at("key").value,
    onError: failed,
  });
  realtime.onStatusChange(showStatus);
}

async function publish() {
  let data;
  try {
    data = JSON.parse(at("data").value);
  } catch (error) {
    at("data").setAttribute("aria-invalid", "true");
    say(`Not sent: the data is not JSON: ${error.message}`, true);
    return;
  }
  at("data").removeAttribute("aria-invalid");
  try {
    await channel.publish(at("event").value, data);
  } catch (error) {
    say(`Not published: ${error.message}`, true);
  }
}

let watched = null;

at("try").onsubmit = (event) => {
  event.preventDefault();
  const topic = at("topic").value.trim();
  const isPublishing =
    event.submitter === at("publish") || at("publishing").contains(document.activeElement);
  if (!at("project").value) {
    at("credentials").open = true;
    at("project").focus();
    say("Name a project.", true);
    return;
  }
  connect();
  if (!isPublishing || topic !== watched || channel === null) {
    watched = topic;
    watch(topic);
  }
  if (isPublishing && tableOf(topic) === null) publish();
};

copyOnClick(at("copy"), () => at("lines").textContent);
copyOnClick(at("copy-table"), () => at("table").textContent);
copyOnClick(at("copy-row"), () => at("row").textContent);

at("topic").value = new URLSearchParams(location.search).get("topic") || "chat/general";
if (at("project").value) {
  at("try").requestSubmit(at("watch"));
} else {
  at("credentials").open = true;
  at("status").dataset.status = "idle";
  setText(at("status"), "Not connected.");
  say("Name a project and its public key, and watch.");
  const options = { baseUrl: daemon, projectId: "PROJECT", apiKey: "ITS_PUBLIC_KEY" };
  setText(at("lines"), page(at("topic").value, daemon, options));
}
