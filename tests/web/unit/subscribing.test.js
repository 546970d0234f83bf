/**
 * Subscriptions: how they begin, resume, end and are refused.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, settle, subscribed } from "./fakes.js";

test("subscribe() connects once, and waits for the connection", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("orders", { filter: { status: "new" } });
  assert.equal(channel.subscribe().subscribe(), channel);
  assert.equal(channel.isSubscribed, true);
  await settle();
  await world.socket.open();
  assert.deepEqual(world.socket.take(), [
    { type: "subscribe", sync: true, topic: "table/orders/p", filter: { status: "new" } },
  ]);
  assert.equal(channel.state, "subscribing");
  const [states, gaps] = [collector(), collector()];
  channel.onStateChange(states);
  channel.onGap(gaps);
  await world.socket.say({ type: "subscribed", topic: channel.topic, pos: "1" });
  assert.deepEqual(states.got, ["subscribed"]);
  assert.deepEqual(gaps.got, []);
});

test("every reconnect resumes after the last frame", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const other = client.channel("orders").subscribe();
  await socket.say({ type: "subscribed", topic: other.topic, pos: "o1" });
  const gaps = collector();
  channel.onGap(gaps);
  await socket.say(event(topic, "e", 1, { pos: "7" }));
  await socket.say(event(topic, "presence:join", { connectionId: "c" }));
  // What a filter keeps from us moves the position as well.
  await socket.say({ type: "commit", topic: other.topic, pos: "o2" });
  await socket.end();
  assert.equal(channel.state, "subscribing");
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [
    { type: "subscribe", sync: true, topic, since: "7" },
    { type: "subscribe", sync: true, topic: other.topic, since: "o2" },
  ]);
  // Cut off right behind the answer, it is where it was.
  await world.socket.say({ type: "subscribed", topic, pos: "7", recovered: true, keptOnly: true });
  await world.socket.end();
  await world.comeBack();
  assert.equal(world.socket.take()[0].since, "7");
  assert.deepEqual(channel.recovery, { recovered: true, keptOnly: true });
  assert.deepEqual(gaps.got, []);
});

test("a daemon that has lost what comes next answers without being asked", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const gaps = collector();
  channel.onGap(gaps);
  await socket.say(event(topic, "e", 1, { pos: "7" }));
  const gap = { reason: "lost" };
  await socket.say({ type: "subscribed", topic, pos: "n1", recovered: false, gap });
  assert.deepEqual(gaps.got, [{ topic, reason: "lost", reloads: false }]);
  await socket.say({ type: "subscribed", topic, pos: "n1", recovered: true, keptOnly: true });
  assert.equal(gaps.got.length, 1);
  assert.deepEqual(world.socket.take(), []);
  await socket.end();
  await world.comeBack();
  assert.equal(world.socket.take()[0].since, "n1");
});

test("the application hears of a gap", async (t) => {
  const world = new World(t);
  const { client, channel, topic } = await subscribed(world);
  const gaps = collector();
  channel.onGap(gaps);
  for (const answer of [
    { pos: "50", recovered: false, gap: { reason: "expired" } },
    { pos: "60", recovered: false, gap: { reason: "limit" } },
    // Servers that know no positions.
    {},
  ]) {
    await world.socket.end();
    await world.comeBack();
    await world.socket.say({ type: "subscribed", topic, ...answer });
  }
  assert.deepEqual(
    gaps.got,
    ["expired", "limit", "unknown"].map((reason) => ({ topic, reason, reloads: false })),
  );
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic }]);
  assert.equal(client.status, "connected");
});

test("disconnecting and connecting again resumes", async (t) => {
  const world = new World(t);
  const { client, topic } = await subscribed(world);
  client.disconnect();
  await world.connect(client);
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "1" }]);
});

test("unsubscribe() ends the subscription, and forgets the callbacks", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const seen = collector();
  await socket.say(event(topic, "presence:join", { connectionId: "a" }));
  channel.on("*", seen).onStateChange(seen);
  channel.unsubscribe();
  channel.unsubscribe();
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", topic }]);
  await socket.say(event(topic, "e", 1), { type: "unsubscribed", topic }, event(topic, "e", 2));
  assert.deepEqual(seen.got, []);
  assert.equal(channel.state, "idle");
  assert.notEqual(client.channel("chat/x"), channel);
  await socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), []);
  assert.equal(client.channel("chat/x").subscribe().presence.members.size, 0);
});

test("a closed connection ends an unsubscribe that waits", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  channel.unsubscribe();
  await socket.end();
  const seen = collector();
  client.channel("chat/x").on("*", seen).subscribe();
  await world.comeBack();
  await world.socket.say({ type: "subscribed", topic, pos: "2" }, event(topic, "e", 1));
  assert.equal(seen.got.length, 1);
});

test("a channel that ended can begin again", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const before = collector();
  channel.on("e", before).onStateChange(before);
  channel.unsubscribe();
  const [seen, gaps] = [collector(), collector()];
  channel.on("e", seen).subscribe();
  channel.onGap(gaps);
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", topic }]);
  // Still for the one before.
  await socket.say(event(topic, "e", 1, { pos: "2" }), { type: "unsubscribed", topic });
  assert.equal(channel.state, "subscribing");
  assert.deepEqual(socket.take(), [{ type: "subscribe", sync: true, topic }]);
  await socket.say({ type: "subscribed", topic, pos: "3" }, event(topic, "e", 2, { pos: "4" }));
  assert.deepEqual(seen.got.map(({ data }) => data), [2]);
  assert.deepEqual([before.got, gaps.got], [[], []]);
});

test("unsubscribing and subscribing in turns ends in the last state", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  channel.unsubscribe();
  const second = client.channel("chat/x").subscribe();
  second.unsubscribe();
  const third = client.channel("chat/x").subscribe();
  const seen = collector();
  third.on("*", seen);
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", topic }]);
  await socket.say(event(topic, "e", "first"), { type: "unsubscribed", topic });
  assert.deepEqual(socket.take(), [{ type: "subscribe", sync: true, topic }]);
  await socket.say({ type: "subscribed", topic, pos: "2" }, event(topic, "e", "third"));
  assert.equal(third.state, "subscribed");
  assert.deepEqual(seen.got.map(({ data }) => data), ["third"]);
});


test("a subscription that is refused for a while is asked for again", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("orders").subscribe();
  const { topic } = channel;
  await settle();
  await world.socket.open();
  world.socket.take();
  const error = { type: "error", code: "database_unavailable", message: "Later.", retryAfter: 1000 };
  await world.socket.say({ ...error, topic });
  assert.equal(channel.error.code, "database_unavailable");
  await world.clock.advance(999);
  assert.deepEqual(world.socket.take(), []);
  await world.clock.advance(1);
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic }]);
  await world.socket.say({ type: "subscribed", topic, pos: "1" });
  assert.equal(channel.error, null);
  // What cannot be sent of the past ends the subscription first.
  await world.socket.say({ ...error, topic }, { type: "unsubscribed", topic });
  assert.equal(channel.state, "subscribing");
  await world.clock.advance(1000);
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "1" }]);
  assert.deepEqual(world.errors, []);
});

test("a refusal for good is reported, and tried again when the application asks", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  const channel = client.channel("orders").subscribe();
  const { topic } = channel;
  await world.connect(client);
  world.socket.take();
  const refusal = { type: "error", code: "forbidden", message: "No.", topic };
  await world.socket.say(refusal);
  assert.equal(channel.state, "refused");
  assert.equal(channel.error.code, "forbidden");
  assert.deepEqual(world.codes, ["forbidden"]);
  // The client asks again only if it is told to.
  await world.clock.advance(20_000);
  assert.deepEqual(world.socket.take(), []);
  channel.subscribe();
  assert.equal(channel.state, "subscribing");
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic }]);
  channel.subscribe();
  assert.deepEqual(world.socket.take(), []);
  await world.socket.say(refusal);
  assert.deepEqual(world.codes, ["forbidden", "forbidden"]);
  client.channel("chat/x").subscribe();
  world.socket.take();
  client.setToken("new");
  assert.deepEqual(world.socket.take(), [
    { type: "auth", token: "new" }, { type: "subscribe", sync: true, topic },
  ]);
  await world.socket.say({ type: "subscribed", topic, pos: "1" });
  // This is about something else, of the same topic.
  await world.socket.say(refusal);
  assert.equal(channel.state, "subscribed");
  // A token can also take away.
  await world.socket.say(refusal, { type: "unsubscribed", topic });
  assert.equal(channel.state, "refused");
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take()[0], { type: "subscribe", sync: true, topic, since: "1" });
});
