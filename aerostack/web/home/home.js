/**
 * The daemon's page: shows what comes on topics, publishes, and gives the lines that another page
 * needs to show the same.
 */

import { RealtimeClient } from "../client/realtime.js";

const at = (id) => document.getElementById(id);
const topics = new Set();
let realtime = null;

function show(what, topic, value, failed) {
  const item = document.createElement("li");
  item.className = failed ? "error" : "";
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  const name = document.createElement("span");
  name.className = "what";
  name.textContent = what;
  const where = document.createElement("span");
  where.className = "topic";
  where.textContent = topic || "";
  const body = document.createElement("code");
  body.textContent = typeof value === "string" ? value : JSON.stringify(value);
  item.append(time, name, where, body);
  const frames = at("frames");
  frames.prepend(item);
  while (frames.childElementCount > 200) frames.lastElementChild.remove();
}

function showStatus(status, { error, delay }) {
  const why = error ? ` ${error.message}` : "";
  const when = delay === undefined ? "" : ` Trying again in ${(delay / 1000).toFixed(0)} s.`;
  const lines = { connected: "Connected.", connecting: "Connecting…" };
  at("status").textContent = lines[status] ?? `Not connected.${why}${when}`;
}

/** The lines that a page of one's own needs to show a topic. */
function showLines(topic) {
  const options = { baseUrl: location.origin, projectId: at("project").value };
  if (at("key").value) options.apiKey = at("key").value;
  // As it stands in a script, which a "<" could end.
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
  channel.onGap(({ reason }) => show("missed", topic, `something does not come: ${reason}`, true));
  channel.onFeedChange((feed, message) => {
    show(`feed ${feed}`, topic, message || "", feed === "down");
  });
}

// The project and the key that the present client was made with.
let as = "";

function connect() {
  const now = JSON.stringify([at("project").value, at("key").value]);
  if (now === as) return;
  as = now;
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

at("copy").onclick = async () => {
  await navigator.clipboard.writeText(at("lines").textContent);
  at("copy").textContent = "Copied";
  setTimeout(() => (at("copy").textContent = "Copy"), 1500);
};
