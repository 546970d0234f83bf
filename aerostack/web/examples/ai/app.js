/**
 * An answer that many users watch while a program writes it.
 */

import { at } from "../../shared/dom.js";
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

/** Whether a message is an answer. Other clients may have published something else here. */
const isAnswer = ({ event, data }) => event === "ai:done" && typeof data?.text === "string";

// The newest answer that had ended before the page came.
let earlier = null;

// [earlier]
/** Show the answer that ended last. The history has it as one message, with its whole text. */
async function showEarlier() {
  const page = await channel.getHistory(20);
  earlier = page.find(isAnswer)?.data ?? null;
  draw();
}
// [/earlier]

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
  done: "The answer is complete.",
  cancelled: "Stopped.",
  failed: "The program that wrote it has failed.",
  aborted: "The program that wrote it is gone.",
  unknown: "It ended while you were away.",
};

// The answer that the page shows, when the page saw it first, in milliseconds, and how many tokens it
// had then.
let shown = { id: "", since: NaN, tokens: 0 };

/** The example's tokens are words; a model says how many it has used. */
const count = ({ text, usage }) => usage?.completion_tokens ?? text.split(/\s+/).filter(Boolean).length;

/** How fast an answer comes: since the page sees it, and, at its end, as the daemon has measured. */
function speed(answer) {
  const { stats } = answer;
  const tokens = count(answer);
  const said = [`${tokens} tokens`];
  const seconds = (stats?.ms ?? performance.now() - shown.since) / 1000;
  const grown = stats ? tokens : tokens - shown.tokens;
  if (seconds > 0.5) said.push(`${Math.round(grown / seconds)} a second`);
  if (stats) said.push(`${seconds.toFixed(1)} s`);
  if (stats?.first != null) said.push(`the first after ${stats.first} ms`);
  if (stats) said.push(`${stats.watchers} watching`);
  return said.join(", ");
}

function draw() {
  const newest = channel.answers.newest ?? earlier;
  if (newest === null) return;
  const { id, text, state, reason } = newest;
  const isStreaming = state === "streaming";
  const wasStreaming = shown.id !== id || at("answer").ariaBusy === "true";
  if (shown.id !== id) {
    // An answer that had ended before the page came has no speed that the page could have seen.
    shown = { id, since: isStreaming ? performance.now() : NaN, tokens: count(newest) };
  }
  at("answer").textContent = text;
  at("answer").ariaBusy = String(isStreaming);
  at("end").textContent = [ENDS[state] ?? state, reason && `(${reason})`].filter(Boolean).join(" ");
  if (wasStreaming) at("tokens").textContent = speed(newest);
  at("send").disabled = isStreaming;
  at("stop").disabled = !isStreaming;
}

at("ask").onsubmit = (submitted) => {
  submitted.preventDefault();
  ask("ai/ask", { stream, question: at("question").value });
};

showEarlier().catch((error) => complain(error.message));
