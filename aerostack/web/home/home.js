/**
 * The daemon's page. It shows the frames of topics, publishes events, and shows the code of a page
 * that does the same.
 */

import { RealtimeClient } from "../client/realtime.js";
import { at, copyOnClick, make } from "../shared/dom.js";

// The list keeps at most so many frames.
const MOST_FRAMES = 200;

const topics = new Set();
let realtime = null;

function show(what, topic, value, failed) {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  const item = make(
    "li",
    { class: failed ? "error" : null },
    make("time", {}, new Date().toLocaleTimeString()),
    make("span", { class: "what" }, what),
    make("span", { class: "topic" }, topic || ""),
    make("code", {}, body ?? ""),
  );
  const frames = at("frames");
  frames.prepend(item);
  while (frames.childElementCount > MOST_FRAMES) frames.lastElementChild.remove();
}

function showStatus(status, { error, delay }) {
  const why = error ? ` ${error.message}` : "";
  const when = delay === undefined ? "" : ` Trying again in ${(delay / 1000).toFixed(0)} s.`;
  const lines = { connected: "Connected.", connecting: "Connecting…" };
  at("status").textContent = lines[status] ?? `Not connected.${why}${when}`;
}

/** Show the code of a page that shows a topic. */
function showLines(topic) {
  const options = { baseUrl: location.origin, projectId: at("project").value };
  if (at("key").value) options.apiKey = at("key").value;
  // Escaped, because "</script>" in a text would end the script.
  const written = (value) => JSON.stringify(value).replaceAll("<", "\\u003c");
  at("lines").textContent = `<!doctype html>
<meta charset="utf-8">
<title>Live</title>
<ul id="list"></ul>
<script type="module">
  import { RealtimeClient } from "${location.origin}/client/realtime.js";

  const realtime = new RealtimeClient(${written(options)});
  const channel = realtime.channel(${written(topic)});
  channel.on("*", ({ operation, event, data }) => {
    const item = document.createElement("li");
    item.textContent = \`\${operation ?? event} \${JSON.stringify(data)}\`;
    document.getElementById("list").prepend(item);
  });
  channel.subscribe();
</script>
`;
}

function watch(topic) {
  topics.add(topic);
  showLines(topic);
  const channel = realtime.channel(topic);
  if (channel.isSubscribed) return;
  channel
    .on("*", ({ operation, event, data, old }) => {
      show(operation ?? event, topic, operation === "UPDATE" ? { old, new: data } : data);
    })
    .subscribe();
  channel.onStateChange((state) => {
    if (state === "subscribed") show("watching", topic, "");
  });
  channel.onGap(({ reason }) => show("missed", topic, `what was shown may be wrong: ${reason}`, true));
  channel.onFeedChange((feed, message) => {
    show(`feed ${feed}`, topic, message || "", feed === "down");
  });
}

// The project and the key of the present client.
let credentials = "";

function connect() {
  const now = JSON.stringify([at("project").value, at("key").value]);
  if (now === credentials) return;
  credentials = now;
  realtime?.disconnect();
  realtime = new RealtimeClient({
    projectId: at("project").value,
    apiKey: at("key").value,
    onError: (error) => show(error.code, error.topic, error.message, true),
  });
  realtime.onStatusChange(showStatus);
  for (const topic of topics) watch(topic);
}

at("watch").onsubmit = (event) => {
  event.preventDefault();
  connect();
  watch(at("topic").value);
};

at("publish").onsubmit = (event) => {
  event.preventDefault();
  let data;
  try {
    data = JSON.parse(at("data").value);
  } catch (error) {
    show("not sent", at("to").value, `the data is not JSON: ${error.message}`, true);
    return;
  }
  connect();
  realtime.channel(at("to").value).publish(at("event").value, data);
};

topics.add(new URLSearchParams(location.search).get("topic") || "chat/general");
if (at("project").value) connect();
else at("status").textContent = "Name a project and its public key.";

copyOnClick(at("copy"), () => at("lines").textContent);
