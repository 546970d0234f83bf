/**
 * How fast a client talks: it heeds what the daemon says, and loses nothing by that.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon } from "../model/daemon.js";
import { World, collector, event, settle, subscribed } from "./fakes.js";

const TOO_FAST = { type: "error", code: "rate_limited", message: "No.", retryAfter: 300 };

/** A client of a daemon that takes so many frames a second. */
async function limited(t, limits, options) {
  const world = new World(t);
  const daemon = new Daemon(world.clock, limits);
  const client = world.client({ WebSocket: daemon.WebSocket, ...options });
  client.connect();
  await settle();
  /** Let time pass, and frames with it. */
  const pass = async (time, step = 10) => {
    for (const end = world.clock.now + time; world.clock.now < end; ) {
      await world.clock.advance(step);
      daemon.flush();
    }
    await settle();
  };
  await pass(0);
  daemon.flush();
  return { world, daemon, client, pass };
}

test("a channel that leaves and joins during a wait is subscribed", async (t) => {
  for (const request of ["subscribe", undefined]) {
    const world = new World(t);
    const { client, channel, socket, topic } = await subscribed(world);
    channel.unsubscribe();
    await socket.say({ type: "unsubscribed", topic });
    const second = client.channel("chat/x").subscribe();
    socket.take();
    // What is refused is the second one.
    await socket.say({ ...TOO_FAST, topic, request });
    assert.equal(second.state, "subscribing");
    await world.clock.advance(299);
    assert.deepEqual(socket.take(), []);
    await world.clock.advance(1);
    assert.deepEqual(socket.take(), [{ type: "ping" }]);
    await socket.say({ type: "pong" });
    assert.deepEqual(socket.take()[0], { type: "subscribe", sync: true, topic });
    await socket.say({ type: "subscribed", topic, pos: "1" });
    assert.equal(second.state, "subscribed");
    assert.deepEqual(world.errors, []);
  }
});

test("an unsubscribe frame that was too fast for an older daemon goes out again", async (t) => {
  const world = new World(t);
  world.answersPings = true;
  const { channel, socket, topic } = await subscribed(world);
  channel.unsubscribe();
  socket.take();
  await socket.say({ ...TOO_FAST, topic });
  await world.clock.advance(300);
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", topic }]);
  await socket.say({ type: "unsubscribed", topic });
  assert.deepEqual(world.errors, []);
});

test("a refused presence state goes out again, as it is by then", async (t) => {
  for (const named of [true, false]) {
    const world = new World(t);
    world.answersPings = true;
    const { channel, socket, topic } = await subscribed(world);
    channel.track({ a: 1 });
    assert.deepEqual(socket.take(), [{ type: "track", sync: true, topic, state: { a: 1 } }]);
    await socket.say({ ...TOO_FAST, topic, request: named ? "track" : undefined });
    await world.clock.advance(300);
    assert.deepEqual(socket.take(), [{ type: "track", sync: true, topic, state: { a: 1 } }]);
    channel.untrack();
    await settle();
    assert.deepEqual(socket.take(), [{ type: "untrack", topic }]);
    await socket.say({ ...TOO_FAST, topic, request: named ? "untrack" : undefined });
    await world.clock.advance(300);
    assert.deepEqual(socket.take(), [{ type: "untrack", topic }]);
    assert.deepEqual(world.errors, []);
  }
});

test("more topics than the daemon takes at once are all subscribed again, without a flood", async (t) => {
  for (const isOld of [true, false]) {
    const { daemon, client, pass } = await limited(t, { rate: 50, burst: 30 });
    daemon.isOld = isOld;
    const channels = Array.from({ length: 200 }, (_, n) => client.channel(`chat/${n}`).subscribe());
    for (const channel of channels) channel.track({});
    await pass(60_000);
    daemon.restart();
    await pass(60_000);
    assert.deepEqual([...new Set(channels.map(({ state }) => state))], ["subscribed"]);
    assert.equal(daemon.lines[0].subscribed.size, 200);
    for (const channel of channels) assert.equal(daemon.topic(channel.topic).members.size, 1);
    assert.equal(daemon.floods, 0);
    client.disconnect();
  }
});

test("publishing faster than the limit for long is no flood, and loses no publication", async (t) => {
  const { world, daemon, client, pass } = await limited(t, { rate: 100, burst: 200 });
  const channel = client.channel("chat/x");
  const settled = { kept: 0, queue_full: 0 };
  const count = (what) => (settled[what] += 1);
  for (let n = 0; n < 3000; n++) {
    channel.publish("e", n).then(
      () => count("kept"),
      ({ code }) => count(code),
    );
    if (n % 3 === 0) await pass(10);
  }
  await pass(30_000);
  assert.equal(daemon.floods, 0);
  assert.equal(settled.kept + settled.queue_full, 3000);
  assert.equal(daemon.taken.size, settled.kept);
  // Most of what the daemon would take is made use of.
  assert.ok(settled.kept > 1200, settled.kept);
  assert.deepEqual([...new Set(world.codes)], ["queue_full"]);
});

test("a token that was too fast for an older daemon goes out again", async (t) => {
  const world = new World(t);
  world.answersPings = true;
  const { client, socket } = await subscribed(world, "chat/x", { client: { token: "old" } });
  client.setToken("new");
  assert.deepEqual(socket.take(), [{ type: "auth", token: "new" }]);
  await socket.say({ ...TOO_FAST, request: "auth" });
  assert.deepEqual(socket.take(), []);
  await world.clock.advance(300);
  assert.deepEqual(socket.take(), [{ type: "auth", token: "new" }]);
});

test("frames go out after an older daemon has refused a ping", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  for (let n = 0; n < 15; n++) channel.publish("e", n);
  assert.deepEqual(socket.take().at(-1), { type: "ping" });
  await socket.say(TOO_FAST);
  await world.clock.advance(300);
  assert.deepEqual(socket.take(), [{ type: "ping" }]);
  await socket.say({ type: "pong" });
  assert.equal(socket.take()[0].data, 9);
});

test("large frames go out in smaller numbers", async (t) => {
  const world = new World(t);
  const { channel, socket } = await subscribed(world);
  const sent = async () => {
    const frames = socket.take();
    assert.deepEqual(frames.pop(), { type: "ping" });
    await socket.say(...frames.map(({ id }) => ({ type: "ack", id })), { type: "pong" });
    return frames.length;
  };
  for (let n = 0; n < 60; n++) channel.publish("e", "x".repeat(20_000));
  assert.equal(await sent(), 9);
  assert.equal(await sent(), 10);
  assert.equal(await sent(), 10);
});

test("publications go out while a presence state changes all the time", async (t) => {
  const world = new World(t);
  world.answersPings = true;
  const { channel, socket, topic } = await subscribed(world);
  await socket.say({ ...TOO_FAST, topic, request: "track" });
  const published = channel.publish("e", 1);
  for (let n = 0; n < 10; n++) {
    channel.track({ n });
    await world.clock.advance(100);
  }
  const [frame] = socket.take().filter(({ type }) => type === "publish");
  await socket.say({ type: "ack", id: frame.id });
  await published;
});

test("events of an ended subscription do not reach the next one", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  await socket.say({ ...TOO_FAST, topic, request: "track" });
  channel.unsubscribe();
  const seen = collector();
  channel.on("e", seen).subscribe();
  await socket.say(event(topic, "e", 1));
  await world.clock.advance(300);
  await socket.say({ type: "pong" });
  // The present one replaces the one before.
  assert.deepEqual(socket.take(), [
    { type: "ping" }, { type: "subscribe", sync: true, topic }, { type: "ping" },
  ]);
  await socket.say(event(topic, "e", 2), { type: "subscribed", topic, pos: "5" });
  await socket.say(event(topic, "e", 3));
  assert.deepEqual(seen.got.map(({ data }) => data), [3]);
});
