/**
 * What is published: it arrives once it is acknowledged, or whoever published it is told.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, settle, subscribed } from "./fakes.js";

/** How a promise stands. */
async function outcome(promise) {
  const open = {};
  await settle();
  return Promise.race([promise, open]).then(
    (value) => (value === open ? "open" : "kept"),
    (error) => error.code,
  );
}

test("the acknowledgement resolves a publication", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const data = { text: "hi" };
  const published = channel.publish("message", data, { persist: true });
  // It was taken as it was.
  data.text = "changed";
  const [frame] = socket.take();
  assert.deepEqual(frame, {
    type: "publish", topic, event: "message", data: { text: "hi" }, persist: true, id: frame.id,
  });
  assert.equal(await outcome(published), "open");
  await socket.say({ type: "ack", id: frame.id });
  assert.equal(await outcome(published), "kept");
});

test("a refused publication is rejected, and reported", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const published = channel.publish("presence:join", {});
  const [{ id }] = socket.take();
  await socket.say({ type: "error", code: "invalid_event", message: "Reserved.", id, topic });
  await assert.rejects(published, { code: "invalid_event", message: "Reserved.", topic, id });
  assert.deepEqual(world.codes, ["invalid_event"]);
  assert.equal(channel.state, "subscribed");
});

test("data that cannot be JSON is rejected", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const circle = {};
  circle.circle = circle;
  for (const data of [circle, 7n]) {
    assert.equal(await outcome(channel.publish("e", data)), "invalid_data");
  }
  assert.deepEqual(socket.take(), []);
});

test("publications without an answer go out again, in order, with the same ids", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const [a, b, c] = ["a", "b", "c"].map((data) => channel.publish("e", data));
  const sent = socket.take();
  await socket.say({ type: "ack", id: sent[0].id });
  await socket.end();
  const d = channel.publish("e", "d");
  await world.comeBack();
  const [subscribe, ...again] = world.socket.take();
  assert.deepEqual(subscribe, { type: "subscribe", sync: true, topic, since: "1" });
  assert.deepEqual(again.map(({ data }) => data), ["b", "c", "d"]);
  assert.deepEqual(again.slice(0, 2), sent.slice(1));
  assert.deepEqual(await Promise.all([a, b, c, d].map(outcome)), ["kept", "open", "open", "open"]);
  await world.socket.say(...again.map(({ id }) => ({ type: "ack", id })));
  assert.deepEqual(await Promise.all([b, c, d].map(outcome)), ["kept", "kept", "kept"]);
});

test("every publication has an id of its own, also among clients", async (t) => {
  const world = new World(t);
  let random = 0;
  t.mock.method(Math, "random", () => (random += 0.01));
  const ids = new Set();
  for (let n = 0; n < 3; n++) {
    const { channel, socket } = await subscribed(world);
    channel.publish("e");
    channel.publish("e");
    for (const { id } of socket.take()) ids.add(id);
  }
  assert.equal(ids.size, 6);
});

test("publishing connects, and waits for the connection", async (t) => {
  const world = new World(t);
  const published = world.client().channel("chat/x").publish("e", 1);
  await settle();
  await world.socket.open();
  const [{ id }] = world.socket.take();
  await world.socket.say({ type: "ack", id });
  await published;
});

test("a long queue goes out in parts", async (t) => {
  const world = new World(t);
  world.answersPings = true;
  const { channel, socket } = await subscribed(world);
  const all = Array.from({ length: 100 }, (_, n) => channel.publish("e", n));
  const got = [];
  for (let frames = socket.take(); frames.length; await settle(), frames = socket.take()) {
    assert.ok(frames.length <= 32);
    got.push(...frames.map(({ data }) => data));
    await socket.say(...frames.map(({ id }) => ({ type: "ack", id })));
  }
  await Promise.all(all);
  assert.deepEqual(got, Array.from({ length: 100 }, (_, n) => n));
});

test("publications that had not gone out follow those that had", async (t) => {
  const world = new World(t);
  world.answersPings = true;
  const { channel, socket } = await subscribed(world);
  for (let n = 0; n < 40; n++) channel.publish("e", n);
  for (let n = 0; n < 4; n++) await settle();
  await socket.end();
  await world.comeBack();
  for (let n = 0; n < 4; n++) await settle();
  const [, ...frames] = world.socket.take();
  assert.deepEqual(frames.map(({ data }) => data), Array.from({ length: 32 }, (_, n) => n));
});

test("a publication that is refused as too fast goes out again later", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const published = [channel.publish("e", 1), channel.publish("e", 2)];
  const [frame, second] = socket.take();
  const error = { type: "error", code: "rate_limited", message: "No.", retryAfter: 500 };
  await socket.say({ ...error, id: frame.id }, { ...error, id: second.id });
  published.push(channel.publish("e", 3));
  await world.clock.advance(499);
  assert.deepEqual(socket.take(), []);
  await world.clock.advance(1);
  // What was sent before is dealt with first, and then there is one at a time.
  assert.deepEqual(socket.take(), [{ type: "ping" }]);
  const frames = [];
  for (let n = 0; n < 3; n++) {
    await socket.say({ type: "pong" });
    const [one, ping] = socket.take();
    assert.deepEqual(ping, { type: "ping" });
    frames.push(one);
    await socket.say({ type: "ack", id: one.id });
    assert.deepEqual(socket.take(), []);
  }
  assert.deepEqual(frames.map(({ data }) => data), [1, 2, 3]);
  assert.deepEqual(frames[0], frame);
  await Promise.all(published);
  assert.deepEqual(world.errors, []);
});

test("a full queue refuses new publications, reports that, and keeps the others", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world, "chat/x", { client: { maxQueue: 2 } });
  await socket.end();
  const promises = [1, 2, 3, 4].map((n) => channel.publish("e", n));
  const outcomes = await Promise.all(promises.map(outcome));
  assert.deepEqual(outcomes, ["open", "open", "queue_full", "queue_full"]);
  assert.deepEqual(world.codes, ["queue_full"]);
  await world.comeBack();
  const frames = world.socket.take().slice(1);
  assert.deepEqual(frames.map(({ data }) => data), [1, 2]);
  await world.socket.say({ type: "ack", id: frames[0].id });
  assert.equal(await outcome(channel.publish("e", 5)), "open");
  assert.equal(await outcome(channel.publish("e", 6)), "queue_full");
  assert.deepEqual(world.codes, ["queue_full", "queue_full"]);
});

test("disconnect() rejects waiting publications, and later ones", async (t) => {
  const world = new World(t);
  const { client, channel, socket } = await subscribed(world);
  const sent = channel.publish("e", 1);
  await socket.end();
  const waiting = channel.publish("e", 2);
  client.disconnect();
  const late = channel.publish("e", 3);
  const outcomes = await Promise.all([sent, waiting, late].map(outcome));
  assert.deepEqual(outcomes, Array(3).fill("disconnected"));
  assert.match(world.errors[0].message, /2 publications are lost/);
  assert.match(world.errors[1].message, /call connect\(\) first/);
});

test("a rejection that the application does not handle is no error of the page", async (t) => {
  const world = new World(t);
  const unhandled = t.mock.fn();
  process.on("unhandledRejection", unhandled);
  t.after(() => process.off("unhandledRejection", unhandled));
  const client = world.client();
  client.connect();
  client.channel("chat/x").publish("e", 7n);
  client.disconnect();
  client.channel("chat/x").publish("e");
  await settle();
  await settle();
  assert.equal(unhandled.mock.callCount(), 0);
});

test("a chat message goes out until it is acknowledged", async (t) => {
  const world = new World(t);
  const client = world.client();
  const said = client.sendChat("x", "hi", { mood: "fine" });
  assert.equal(await outcome(said), "open");
  await world.socket.open();
  const [frame] = world.socket.take();
  const { id, ...rest } = frame;
  assert.deepEqual(rest, { type: "chat", roomId: "x", text: "hi", metadata: { mood: "fine" } });
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [frame]);
  assert.equal(await outcome(said), "open");
  await world.socket.say({ type: "ack", id });
  await said;
});

test("history comes over HTTP, a page at a time, and names the project", async (t) => {
  const world = new World(t);
  const channel = world.client({ apiKey: "pk", token: "jwt" }).channel("chat/x");
  const messages = [{ id: "1", created_at: 7 }];
  world.answer = { status: 200, body: { messages } };
  assert.deepEqual(await channel.getHistory(), messages);
  assert.deepEqual(await channel.getHistory(10, 7), messages);
  const [first, second] = world.requests;
  const path = "http://rt.test/api/v1/public/realtime/history";
  assert.equal(first.url, `${path}?room=chat%2Fx%2Fp&limit=50&projectId=p`);
  assert.equal(second.url, `${path}?room=chat%2Fx%2Fp&limit=10&projectId=p&before=7`);
  assert.deepEqual(first.headers, { "X-Aerostack-Key": "pk", Authorization: "Bearer jwt" });
});

test("an error of the history says why", async (t) => {
  const world = new World(t);
  const channel = world.client().channel("chat/x");
  world.answer = { status: 403, body: { error: "forbidden", message: "Not for you." } };
  await assert.rejects(channel.getHistory(), { code: "forbidden", message: "Not for you." });
  world.answer = { status: 404, body: undefined };
  await assert.rejects(channel.getHistory(), { code: "wrong_server", message: /HTTP 404/ });
  world.answer = { status: 502, body: undefined };
  await assert.rejects(channel.getHistory(), { code: "unreachable", message: /proxy .*HTTP 502/ });
  world.answer = new TypeError("failed to fetch");
  await assert.rejects(channel.getHistory(), { code: "unreachable" });
  // What answers is no other server because the line broke.
  const text = async () => {
    throw new TypeError("terminated");
  };
  const cut = world.client({ fetch: async () => ({ status: 200, text }) }).channel("chat/x");
  await assert.rejects(cut.getHistory(), { code: "unreachable", message: /was cut off/ });
  // Nor because it never ends.
  const waits = world.client({
    connectTimeout: 500,
    fetch: (url, { signal }) =>
      new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  });
  const late = assert.rejects(waits.channel("chat/x").getHistory(), { code: "unreachable" });
  await world.clock.advance(500);
  await late;
  assert.equal(world.clock.pending, 0);
});
