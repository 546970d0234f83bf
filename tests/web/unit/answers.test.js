/**
 * Streams become answers: every watcher has the text once, whenever it came and however it was cut off.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, subscribed } from "./fakes.js";

/** A channel of a topic whose streams a test sends. */
async function watched(t) {
  const world = new World(t);
  const got = await subscribed(world, "ai-chat/7");
  const { channel, topic } = got;
  const changes = collector();
  channel.answers.onChange(changes);
  const frame = (name, data, more) => event(topic, name, data, { stream: "s", ...more });
  return {
    ...got,
    world,
    changes,
    say: (...frames) => world.socket.say(...frames),
    newest: () => channel.answers.newest,
    start: (data = {}) => frame("ai:start", { id: "s", owner: "ann", meta: {}, ...data }),
    token: (at, token, more) => frame("ai:token", { token }, { part: "0", at, ...more }),
    frame,
    done: (state = "done", more = {}) => frame("ai:done", { id: "s", state, ...more }, { state }),
  };
}

test("an answer grows and ends", async (t) => {
  const { say, newest, start, token, done } = await watched(t);
  await say(start(), token(0, "Hel"), token(3, "lo"));
  const { id, owner, text, parts, state } = newest();
  assert.deepEqual([id, owner, text, state], ["s", "ann", "Hello", "streaming"]);
  assert.deepEqual(parts, [{ id: "0", kind: "text", text: "Hello" }]);
  await say(done("done", { usage: { tokens: 2 }, kept: true }));
  assert.deepEqual([newest().state, newest().text, newest().kept], ["done", "Hello", true]);
  assert.deepEqual(newest().usage, { tokens: 2 });
});

test("text that came already is not shown twice, and what is taken back goes", async (t) => {
  const { say, newest, start, token } = await watched(t);
  await say(start(), token(0, "Hello "), token(2, "llo w"), token(7, ""), token(7, "orld"));
  assert.equal(newest().text, "Hello world");
  await say(token(6, "all", { reset: true }));
  assert.equal(newest().text, "Hello all");
});

test("a handler of the events gets text once that comes again", async (t) => {
  const { say, channel, frame, start, token } = await watched(t);
  const heard = [];
  channel.on("ai:token", ({ data }) => heard.push(data.token));
  channel.on("ai:tool", ({ data }) => heard.push(data.args));
  const args = (at, text) => frame("ai:tool", { call: "c", args: text }, { part: "c", at });
  await say(start(), token(0, "Hel"), token(0, "Hel"), token(1, "el😀"), token(5, "o"));
  await say(args(0, "{"), args(0, '{"a'), token(0, "Hel😀o!", { reset: true }));
  assert.deepEqual(heard, ["Hel", "😀", "o", "{", '"a', "Hel😀o!"]);
});

test("a position in the text counts the units of JavaScript's strings", async (t) => {
  const { say, newest, start, token } = await watched(t);
  await say(start(), token(0, "a😀"), token(3, "é"), token(4, "漢"));
  assert.equal(newest().text, "a😀é漢");
});

test("only text is in the text, and each part has what came of it", async (t) => {
  const { say, newest, start, token, frame } = await watched(t);
  await say(
    start(),
    frame("ai:reasoning", { token: "Hm" }, { part: "r", at: 0 }),
    token(0, "It "),
    frame("ai:tool", { call: "c", name: "weather", args: '{"ci' }, { part: "c", at: 0 }),
    frame("ai:tool", { args: 'ty":1}' }, { part: "c", at: 4 }),
    frame("ai:tool", { input: { city: 1 } }, { part: "c" }),
    frame("ai:tool", { output: "rain" }, { part: "c" }),
    frame("ai:data", { name: "sources", value: [1] }, { part: "d" }),
    token(3, "rains"),
  );
  assert.equal(newest().text, "It rains");
  const [reasoning, text, tool, data] = newest().parts;
  assert.deepEqual([reasoning.kind, reasoning.text], ["reasoning", "Hm"]);
  assert.deepEqual([text.kind, text.text], ["text", "It rains"]);
  assert.deepEqual(
    [tool.kind, tool.name, tool.text, tool.input, tool.output],
    ["tool", "weather", '{"city":1}', { city: 1 }, "rain"],
  );
  assert.deepEqual([data.kind, data.name, data.value], ["data", "sources", [1]]);
});

test("where text is missing, the client subscribes anew and gets all of it", async (t) => {
  const { say, newest, start, token, socket, topic } = await watched(t);
  await say(start(), token(0, "Hel"), token(9, "ld"), token(11, "!"));
  assert.equal(newest().text, "Hel");
  assert.deepEqual(socket.take(), [{ type: "subscribe", topic, sync: true, rewind: 0 }]);
  await say({ type: "subscribed", topic });
  await say(start(), token(0, "Hello world!", { reset: true, pos: "2" }));
  assert.deepEqual([newest().text, newest().state], ["Hello world!", "streaming"]);
  assert.deepEqual(socket.take(), []);
});

test("an answer that ended while the client was away does not stream for ever", async (t) => {
  const { say, newest, start, token, topic, world, channel } = await watched(t);
  await say(start(), token(0, "Hel"));
  for (const [subscribed, ...more] of [
    [{ pos: "9" }],
    [{}, event(topic, "ai:start", { id: "u" }, { stream: "u", pos: "9" })],
  ]) {
    await world.socket.end();
    await world.comeBack();
    await say({ type: "subscribed", topic, recovered: false, ...subscribed }, ...more);
    const [first] = channel.answers.list;
    assert.deepEqual([first.text, first.state], ["Hel", "unknown"]);
  }
  assert.equal(newest().state, "streaming");
});

test("an answer whose end is not known goes on when more of it comes", async (t) => {
  const { say, newest, start, token, socket, topic, world } = await watched(t);
  await say(start(), token(0, "Hel"));
  await socket.end();
  await world.comeBack();
  await say({ type: "subscribed", topic, recovered: false, pos: "9" });
  assert.equal(newest().state, "unknown");
  await say(token(3, "lo"));
  assert.deepEqual([newest().text, newest().state], ["Hello", "streaming"]);
});

test("an answer goes on where a resumed subscription goes on", async (t) => {
  const { say, newest, start, token, done, socket, topic, world } = await watched(t);
  await say(start(), token(0, "Hel", { pos: "2" }));
  await socket.end();
  await world.comeBack();
  await say({ type: "subscribed", topic, recovered: true, pos: "2" });
  assert.equal(newest().state, "streaming");
  await say(token(1, "ello", { pos: "3" }), done());
  assert.deepEqual([newest().text, newest().state], ["Hello", "done"]);
});

test("how an answer has ended that ended while the client was away is read", async (t) => {
  const { say, newest, start, token, topic, world } = await watched(t);
  await say(start(), token(0, "Hel"));
  const parts = [
    { part: "0", kind: "text", text: "Hello" },
    { part: "c", kind: "tool", args: "{}", input: {} },
  ];
  const found = { stream: "s", topic, epoch: 2, text: "Hello", parts, owner: "ann", meta: {} };
  world.answer = { status: 200, body: { ...found, state: "aborted", reason: "lease" } };
  await world.socket.end();
  await world.comeBack();
  await say({ type: "subscribed", topic, recovered: false, pos: "9" });
  assert.equal(world.requests.at(-1).url, "http://rt.test/api/v1/public/realtime/streams/s?projectId=p");
  const { text, state, reason, parts: shown } = newest();
  assert.deepEqual([text, state, reason], ["Hello", "aborted", "lease"]);
  assert.deepEqual(shown[1], { id: "c", kind: "tool", text: "{}", input: {} });
  assert.deepEqual(["stream" in newest(), "epoch" in newest()], [false, false]);
});

test("what is read of an answer does not count if it goes on by then", async (t) => {
  const { say, newest, start, token, topic, world } = await watched(t);
  await say(start(), token(0, "Hel"));
  let answer;
  world.answer = new Promise((resolve) => (answer = resolve));
  await world.socket.end();
  await world.comeBack();
  await say({ type: "subscribed", topic, recovered: false, pos: "9" }, token(3, "lo"));
  answer({ status: 200, body: { stream: "s", topic, state: "done", text: "Old", parts: [] } });
  await say(token(5, "!"));
  assert.deepEqual([newest().text, newest().state], ["Hello!", "streaming"]);
});

test("the kept message of an answer has the whole text", async (t) => {
  const { say, newest, done } = await watched(t);
  const parts = [
    { part: "r", kind: "reasoning", text: "Hm" },
    { part: "0", kind: "text", text: "All " },
    { part: "1", kind: "text", text: "of it" },
  ];
  await say(done("done", { text: "All of it", parts }));
  assert.deepEqual([newest().text, newest().state], ["All of it", "done"]);
  assert.deepEqual(newest().parts.map(({ id }) => id), ["r", "0", "1"]);
  await say(done("cancelled", { text: "A bit" }));
  assert.deepEqual([newest().text, newest().state], ["A bit", "cancelled"]);
});

test("nothing grows after the end", async (t) => {
  const { say, newest, start, token, done } = await watched(t);
  await say(start(), token(0, "Hel"), done("cancelled"), token(3, "lo"), token(99, "?"));
  assert.deepEqual([newest().text, newest().state], ["Hel", "cancelled"]);
});

test("many changes are told once, as an array that no later change touches", async (t) => {
  const { say, start, token, world, changes, channel } = await watched(t);
  await say(start(), token(0, "a"), token(1, "b"));
  assert.deepEqual(changes.got, []);
  await world.clock.advance(100);
  assert.deepEqual(changes.got.map((list) => list.map(({ text }) => text)), [["ab"]]);
  const [before] = changes.got;
  assert.equal(channel.answers.list, before);
  await say(token(2, "c"));
  await world.clock.advance(100);
  assert.deepEqual(changes.got.map(([{ text }]) => text), ["ab", "abc"]);
});

test("a page that draws pictures is told with the next one", async (t) => {
  const { say, start, world, changes } = await watched(t);
  const pictures = [];
  world.replace(t, globalThis, "requestAnimationFrame", (call) => pictures.push(call));
  await say(start());
  await world.clock.advance(1000);
  assert.deepEqual([changes.got.length, pictures.length], [0, 1]);
  pictures[0]();
  assert.equal(changes.got.length, 1);
});

test("a cancel is sent until the daemon has answered it", async (t) => {
  const { say, newest, start, socket, topic, world } = await watched(t);
  await say(start());
  const cancelled = newest().cancel();
  const [sent] = socket.take();
  assert.deepEqual([sent.type, sent.topic, sent.stream], ["stream_cancel", topic, "s"]);
  await socket.end();
  await world.comeBack();
  const again = world.socket.take().find(({ type }) => type === "stream_cancel");
  assert.equal(again.id, sent.id);
  await say({ type: "stream_ack", id: again.id, stream: "s", topic, state: "cancelled" });
  await cancelled;
});

test("a refused cancel rejects its promise", async (t) => {
  const { say, newest, start, socket, topic, world } = await watched(t);
  await say(start());
  const cancelled = newest().cancel();
  const [{ id }] = socket.take();
  await say({ type: "error", code: "forbidden", message: "No.", id, topic, request: "stream_cancel" });
  await assert.rejects(cancelled, { code: "forbidden" });
  assert.deepEqual(world.codes, ["forbidden"]);
});

test("answers that have ended do not pile up", async (t) => {
  const { say, channel, topic } = await watched(t);
  await say(event(topic, "ai:start", { id: "first" }, { stream: "first" }));
  for (let n = 0; n < 100; n++) {
    await say(event(topic, "ai:done", { id: `s${n}` }, { stream: `s${n}`, state: "done" }));
  }
  const names = channel.answers.list.map(({ id }) => id);
  assert.deepEqual([names.length, names[0], names.at(-1)], [33, "first", "s99"]);
});

test("an answer that ends after many that began later stays, with its end", async (t) => {
  const { say, channel, frame } = await watched(t);
  const end = (stream, state) => frame("ai:done", {}, { stream, state });
  await say(frame("ai:start", {}, { stream: "old" }));
  await say(...Array.from({ length: 40 }, (_, number) => end(`s${number}`, "done")));
  await say(end("old", "aborted"));
  const { list } = channel.answers;
  assert.equal(list.length, 32);
  assert.deepEqual([list[0].id, list[0].state, list[1].id], ["old", "aborted", "s9"]);
});

test("data of any shape breaks nothing", async (t) => {
  const { say, newest, frame, done, world } = await watched(t);
  for (const data of [null, 1, "text", [], { token: 5 }, { token: null }]) {
    for (const name of ["ai:start", "ai:token", "ai:tool", "ai:data", "ai:else"]) {
      await say(frame(name, data, { part: "p", at: 0 }));
    }
  }
  assert.deepEqual([newest().text, newest().state], ["", "streaming"]);
  for (const data of [null, { text: 1 }, { text: "x", parts: [null, 1, {}] }]) {
    await say(frame("ai:done", data, { state: "aborted" }), done());
    assert.equal(newest().text, "");
  }
  assert.deepEqual(world.codes, []);
});

/** Random numbers that are the same in each run. */
function* numbers(seed) {
  for (let state = seed; ; yield state / 2 ** 32) state = (state * 1664525 + 1013904223) >>> 0;
}

test("whatever is cut off, doubled or taken back, the text is right in the end", async (t) => {
  const { say, newest, start, token, done, topic, world } = await watched(t);
  for (let seed = 1; seed <= 150; seed++) {
    const random = numbers(seed);
    const below = (count) => Math.floor(random.next().value * count);
    let whole = "";
    const stream = `s${seed}`;
    const tell = (frame) => say({ ...frame, stream });
    await tell(start());
    for (let step = 0; step < 12; step++) {
      const at = whole.length;
      const added = ["", "a", "xyz ", "😀", "漢 字"][below(5)];
      const kind = below(6);
      if (kind === 0) {
        const cut = whole.indexOf(" ") + 1;
        whole = whole.slice(0, cut) + added;
        await tell(token(cut, added, { reset: true }));
      } else if (kind === 1) {
        // A client that comes back gets a part of what it has once more.
        whole += added;
        const from = below(at + 1);
        await tell(token(from, whole.slice(from)));
      } else if (kind === 2) {
        // A frame gets lost, and the client asks for everything.
        whole += `${added}lost`;
        await tell(token(whole.length, "!"));
        whole += "!";
        await say({ type: "subscribed", topic });
        await tell(start());
        await tell(token(0, whole, { reset: true, pos: "5" }));
      } else {
        whole += added;
        await tell(token(at, added));
      }
    }
    assert.equal(newest().text, whole, `seed ${seed}`);
    await tell(done());
    assert.equal(newest().state, "done");
  }
  assert.deepEqual(world.codes, []);
});
