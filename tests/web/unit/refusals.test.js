/**
 * What can never be delivered: it is rejected, alone, and the rest goes on.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, event, settle, subscribed } from "./fakes.js";

/** How promises stand. */
async function outcomes(...promises) {
  const open = {};
  await settle();
  const look = (promise) =>
    Promise.race([promise, open]).then(
      (value) => (value === open ? "open" : "kept"),
      (error) => error.code,
    );
  return Promise.all(promises.map(look));
}

const refusal = (code, more) => ({ type: "error", code, message: "No.", ...more });

test("half an emoji is rejected at once, and a whole one is sent", async (t) => {
  const world = new World(t);
  const { client, channel, socket } = await subscribed(world);
  const half = "nice \ud83d";
  const bad = [
    channel.publish("e", half),
    channel.publish("e", { [half]: 1 }),
    channel.publish("e", ["\\", "\\\\", { deep: "\udc4d" }]),
    channel.publish(half, 1),
    client.sendChat("x", half),
    client.sendChat(half, "x"),
    client.sendChat("x", "x", { half }),
  ];
  assert.deepEqual(await outcomes(...bad), bad.map(() => "invalid_data"));
  assert.match(world.errors[0].message, /unpaired surrogate/);
  assert.throws(() => client.channel(`chat/${half}`), { code: "invalid_data" });
  const filtered = client.channel("orders", { filter: { name: half } });
  assert.throws(() => filtered.subscribe(), { code: "invalid_data" });
  assert.equal(filtered.isSubscribed, false);
  assert.deepEqual(socket.take(), []);
  const whole = ["nice 👍", "\\ud83d", "\\\\ud83d", "\u0000"];
  channel.publish("e", whole);
  assert.deepEqual(socket.take()[0].data, whole);
});

test("a token that cannot be sent throws, and other frames go out", async (t) => {
  const world = new World(t);
  const { client, channel, socket } = await subscribed(world);
  assert.throws(() => client.setToken("half \ud83d"), { code: "invalid_data" });
  channel.publish("e", 1);
  assert.deepEqual(socket.take().map(({ data }) => data), [1]);
});

test("a refusal with an id rejects that one for good", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const published = channel.publish("e", 1);
  const [{ id }] = socket.take();
  await socket.say(refusal("invalid_json", { id, request: "publish" }));
  assert.deepEqual(await outcomes(published), ["invalid_json"]);
  await socket.end();
  await world.comeBack();
  assert.equal(world.socket.take().length, 1);
});

test("a refusal without an id rejects the only publication under way", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const published = channel.publish("e", 1);
  await socket.say(refusal("invalid_json"));
  assert.deepEqual(await outcomes(published), ["invalid_json"]);
});

test("of several publications the refused one is found by sending one at a time", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const promises = ["a", "bad", "b", "bad", "c"].map((data) => channel.publish("e", data));
  const later = channel.publish("e", "later");
  const sent = socket.take();
  // As an older daemon answers, what it has kept a little later.
  await socket.say(refusal("invalid_json"), refusal("too_deep"), { type: "ack", id: sent[4].id });
  promises.push(channel.publish("e", "last"));
  assert.deepEqual(socket.take(), [{ type: "ping" }]);
  await socket.say({ type: "pong" });
  const order = [];
  for (let frames = socket.take(); frames.length; frames = socket.take()) {
    const published = frames.filter(({ type }) => type === "publish");
    if (order.length < 5) assert.ok(published.length <= 1);
    order.push(...published.map(({ data }) => data));
    for (const { type, id, data } of frames) {
      const answer = data === "bad" ? refusal("invalid_json") : { type: "ack", id };
      await socket.say(type === "ping" ? { type: "pong" } : answer);
    }
  }
  assert.deepEqual(order, ["a", "bad", "b", "bad", "later", "last"]);
  assert.deepEqual(await outcomes(...promises, later), [
    "kept", "invalid_json", "kept", "invalid_json", "kept", "kept", "kept",
  ]);
});

test("after thirty-two refused publications others go out", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const bad = Array.from({ length: 32 }, () => channel.publish("e", "bad"));
  const good = channel.publish("e", "good");
  for (let frames = socket.take(); frames.length; frames = socket.take()) {
    for (const { type, id, data } of frames) {
      const answer = data === "bad" ? refusal("invalid_json") : { type: "ack", id };
      await socket.say(type === "ping" ? { type: "pong" } : answer);
    }
  }
  assert.deepEqual(await outcomes(good), ["kept"]);
  assert.deepEqual([...new Set(await outcomes(...bad))], ["invalid_json"]);
});

test("only the publication that is too large is rejected", async (t) => {
  for (const reason of ["at most 200 bytes", "too large"]) {
    const world = new World(t);
    const { client, channel, socket } = await subscribed(world);
    const [small, large] = [channel.publish("e", 1), channel.publish("e", "ä".repeat(150))];
    const after = channel.publish("e", 2);
    await socket.say({ type: "ack", id: socket.take()[0].id });
    await socket.end(1009, reason);
    assert.deepEqual(await outcomes(small, large, after), ["kept", "too_large", "open"]);
    await assert.rejects(large, { topic: channel.topic });
    await world.comeBack();
    const frames = world.socket.take();
    assert.deepEqual(frames.map(({ data }) => data), [undefined, 2]);
    await world.socket.say({ type: "ack", id: frames[1].id });
    assert.deepEqual(await outcomes(after), ["kept"]);
    assert.equal(client.status, "connected");
    assert.deepEqual(world.codes, ["too_large"]);
  }
});

test("once the limit is known, no larger frame is sent", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const large = "x".repeat(200);
  channel.track({ large });
  await socket.end(1009, "a frame has at most 200 bytes");
  await world.comeBack();
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["subscribe"]);
  assert.deepEqual(await outcomes(channel.publish("e", large)), ["too_large"]);
  const wide = client.channel("orders", { filter: { large } }).subscribe();
  assert.equal(wide.state, "refused");
  assert.deepEqual(world.codes, ["too_large", "too_large", "too_large"]);
  assert.deepEqual(world.socket.take(), []);
  channel.track({ small: 1 });
  assert.deepEqual(world.socket.take()[0].state, { small: 1 });
  await world.socket.say({ type: "subscribed", topic, pos: "1" }, event(topic, "e", 1));
  assert.equal(channel.state, "subscribed");
});

test("the client gives up after a close for size if no frame of its own was too large", async (t) => {
  const world = new World(t);
  const { client, socket } = await subscribed(world);
  await socket.end(1009, "at most 200 bytes");
  await world.clock.advance(1_000_000);
  assert.equal(client.status, "disconnected");
});
