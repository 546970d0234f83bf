/**
 * An answer that many users watch while a program writes it.
 */

import { at } from "/shared/dom.js";
import { ask, complain, connect, me, parameter, showPeople } from "../shared.js";

const stream = parameter("stream", "demo");
const realtime = connect();

// [watch]
const channel = realtime.channel(`ai/${stream}`);
channel.answers.onChange(draw);
channel.presence.onChange((members) => showPeople(members, "watching"));
channel.track({ name: me.name, hue: me.hue });
channel.subscribe();
// [/watch]

// [stop]
at("stop").onclick = async () => {
  try {
    await channel.answers.newest.cancel();
  } catch (error) {
    complain(error.message);
  }
};
// [/stop]

const ENDS = {
  streaming: "",
  done: "",
  cancelled: "Stopped.",
  failed: "The program that wrote it has failed.",
  aborted: "The program that wrote it is gone.",
  unknown: "It ended while you were away.",
};

// The answer that the page shows, and when the page saw it begin, in milliseconds; `NaN` for one that
// had begun before.
let shown = { id: "", begun: NaN };

/** How fast an answer comes. The example's tokens are words; a model says how many it has used. */
function speed({ text, usage, stats }) {
  const tokens = usage?.completion_tokens ?? text.split(/\s+/).filter(Boolean).length;
  // At the end the daemon says how long it took.
  const seconds = (stats?.ms ?? performance.now() - shown.begun) / 1000;
  const said = [`${tokens} tokens`];
  if (seconds > 0.5) said.push(`${Math.round(tokens / seconds)} a second`);
  if (seconds >= 0) said.push(`${seconds.toFixed(1)} s`);
  if (stats?.first != null) said.push(`the first after ${stats.first} ms`);
  if (stats) said.push(`${stats.watchers} watching`);
  return said.join(", ");
}

function draw() {
  const { newest } = channel.answers;
  if (newest === null) return;
  const { id, text, state, reason } = newest;
  const isStreaming = state === "streaming";
  const wasStreaming = shown.id !== id || at("answer").ariaBusy === "true";
  if (shown.id !== id) shown = { id, begun: text === "" ? performance.now() : NaN };
  at("answer").textContent = text;
  at("answer").ariaBusy = String(isStreaming);
  at("end").textContent = [ENDS[state] ?? state, reason && `(${reason})`].filter(Boolean).join(" ");
  if (wasStreaming) at("tokens").textContent = speed(newest);
  at("send").disabled = isStreaming;
  at("stop").hidden = !isStreaming;
}

at("ask").onsubmit = (submitted) => {
  submitted.preventDefault();
  ask("ai/ask", { stream, question: at("question").value });
};
