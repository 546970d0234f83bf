/**
 * An answer that many users watch while a program writes it.
 */

import { at } from "/shared/dom.js";
import { ask, connect, me, parameter, showPeople } from "../shared.js";

const stream = parameter("stream", "demo");
const realtime = connect();

// The answer as far as it has come: its id, the question, its tokens, and whether it is done.
let answer = null;

// [watch]
const channel = realtime.channel(`ai/${stream}`);
channel
  .on("start", ({ data }) => take(data))
  .on("token", ({ data: { id, index, token } }) => {
    // The page has missed an earlier token: the server has it.
    if (answer?.id !== id || !(index <= answer.tokens.length)) look();
    else answer.tokens[index] = token;
    draw();
  })
  .on("end", look)
  .onStateChange((state) => {
    if (state === "subscribed") look();
  });
channel.presence.onChange((members) => showPeople(members, "watching"));
channel.track({ name: me.name, hue: me.hue });
channel.subscribe();
// [/watch]

// [late]
/** Ask for the answer so far, after coming late or after a gap. */
async function look() {
  const now = await ask("ai/look", { stream });
  if (now === null) return;
  if (now.answer) take(now.answer);
  else if (answer && !answer.done) answer = { ...answer, done: true, brokenOff: true };
  draw();
}

/** Merge the tokens that came with those of the server; each token has its place. */
function take(known) {
  if (!Array.isArray(known?.tokens)) return;
  const tokens = known.id === answer?.id ? [...answer.tokens] : [];
  known.tokens.forEach((token, index) => (tokens[index] = token));
  answer = { ...known, tokens };
  draw();
}
// [/late]

function draw() {
  if (!answer) return;
  const text = answer.tokens.join("");
  at("answer").textContent = answer.brokenOff ? `${text}… (the daemon was restarted)` : text;
  at("answer").ariaBusy = String(!answer.done);
  at("tokens").textContent = `${answer.tokens.length} tokens`;
  at("send").disabled = !answer.done;
}

at("ask").onsubmit = (submitted) => {
  submitted.preventDefault();
  ask("ai/ask", { stream, question: at("question").value });
};
