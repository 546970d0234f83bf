/**
 * Channels: their names, callbacks and options.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { World, change, collector, event, settle, subscribed } from "./fakes.js";

test("all forms of a topic give one name", (t) => {
  const client = new World(t).client();
  for (const [written, name] of [
    ["orders", "table/orders/p"],
    ["table/orders", "table/orders/p"],
    ["table/orders/p", "table/orders/p"],
    ["sales.orders", "table/sales.orders/p"],
    ["chat/x", "chat/x/p"],
    ["chat/x/p", "chat/x/p"],
  ]) {
    assert.equal(client.channel(written).topic, name);
  }
  assert.equal(client.chatRoom("x").topic, "chat/x/p");
  assert.equal(client.channel("orders"), client.channel("table/orders/p"));
  for (const topic of ["", undefined, 7, "x".repeat(4090)]) {
    assert.throws(() => client.channel(topic), { code: "invalid_topic" });
  }
  assert.throws(() => client.chatRoom(), { code: "invalid_topic" });
});

test("callbacks get whole frames, by operation, by event, or all frames", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world, "orders");
  const [inserts, updates, shipped, all, off] = Array.from({ length: 5 }, collector);
  const chained = channel
    .on("INSERT", inserts)
    .on("UPDATE", updates)
    .on("order:shipped", shipped)
    .on("*", all)
    .on("*", off)
    .off("*", off)
    .off("never", off);
  assert.equal(chained, channel);
  const frames = [
    change(topic, "INSERT", { id: 1 }, { pos: "2" }),
    change(topic, "UPDATE", { id: 1, a: 2 }, { old: { id: 1, a: 1 }, pos: "3" }),
    event(topic, "order:shipped", { id: 1 }, { pos: "4", userId: "ann" }),
    { type: "chat_message", topic, event: "message", data: { text: "hi" }, pos: "5" },
  ];
  await socket.say(...frames);
  assert.deepEqual(inserts.got, [frames[0]]);
  assert.deepEqual(updates.got, [frames[1]]);
  assert.deepEqual(shipped.got, [frames[2]]);
  assert.deepEqual(all.got, frames);
  assert.deepEqual(off.got, []);
});

test("a callback that throws is reported, and the others are called", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const after = collector();
  const cause = new Error("mine");
  const fail = () => {
    throw cause;
  };
  channel.on("e", fail).on("e", async () => fail()).on("e", after).on("*", after);
  channel.onStateChange(fail);
  client.onStatusChange(fail);
  await socket.say(event(topic, "e", 1), event(topic, "e", 2));
  assert.deepEqual(after.got.map(({ data }) => data), [1, 1, 2, 2]);
  assert.deepEqual(world.codes, Array(4).fill("callback_failed"));
  assert.equal(world.errors[0].cause, cause);
  await socket.end();
  await world.comeBack();
  assert.equal(client.status, "connected");
});

test("callbacks may be added and taken back during a call", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const late = collector();
  channel.on("e", () => channel.on("e", late));
  channel.on("e", function once() {
    channel.off("e", once);
  });
  await socket.say(event(topic, "e", 1));
  assert.deepEqual(late.got, []);
  await socket.say(event(topic, "e", 2));
  assert.deepEqual(late.got.map(({ data }) => data), [2]);
  assert.throws(() => channel.on("e", "no function"), TypeError);
});

test("errors without a topic are reported", async (t) => {
  const world = new World(t);
  const { socket } = await subscribed(world);
  await socket.say({ type: "error", code: "lagging", message: "Read faster." });
  assert.deepEqual(world.codes, ["lagging"]);
});

test("channels that are not shared have one subscription, and end separately", async (t) => {
  const world = new World(t);
  const client = world.client();
  const mine = client.channel("chat/x", { shared: false }).subscribe();
  const yours = client.channel("chat/x", { shared: false }).subscribe();
  const { topic } = mine;
  const [a, b] = [collector(), collector()];
  mine.on("*", a);
  yours.on("*", b);
  await settle();
  await world.socket.open();
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic }]);
  await world.socket.say({ type: "subscribed", topic, pos: "1" }, event(topic, "e", 1));
  client.channel("chat/x", { shared: false }).subscribe().unsubscribe();
  mine.unsubscribe();
  assert.deepEqual(world.socket.take(), []);
  await world.socket.say(event(topic, "e", 2));
  assert.deepEqual([a.got.length, b.got.length], [1, 2]);
  yours.unsubscribe();
  assert.deepEqual(world.socket.take(), [{ type: "unsubscribe", topic }]);
});

test("before a topic that is no table's is subscribed the last options count", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("chat/a", { rewind: 1 });
  assert.equal(client.channel("chat/a", { rewind: 2 }), channel);
  channel.subscribe();
  await settle();
  await world.socket.open();
  assert.equal(world.socket.take()[0].rewind, 2);
});

test("channels of a table with other options have subscriptions of their own", async (t) => {
  const world = new World(t);
  const client = world.client();
  const filtered = client.channel("orders", { filter: { status: "new" } }).subscribe();
  assert.equal(client.channel("orders"), filtered);
  assert.equal(client.channel("orders", { filter: { status: "new" } }), filtered);
  const others = [
    { filter: { status: "old" } },
    { snapshot: true },
    { snapshot: true, order: ["id"] },
    { snapshot: true, order: ["id"], limit: 1 },
    { snapshot: true, order: ["id"], key: "x" },
  ].map((options) => {
    const channel = client.channel("orders", options).subscribe();
    assert.notEqual(channel, filtered);
    assert.equal(client.channel("orders", options), channel);
    client.channel("orders", { ...options, shared: false }).subscribe();
    return channel;
  });
  assert.equal(new Set(others).size, 5);
  // Handlers of other events do not get rows.
  client.channel("orders", { shared: false }).subscribe();
  await settle();
  await world.socket.open();
  const asked = world.socket.take();
  assert.deepEqual(asked.map(({ type }) => type), Array(6).fill("subscribe"));
  assert.equal(new Set(asked.map(({ view }) => view)).size, 6);
  assert.equal(asked[0].view, undefined);
});

test("other options for a subscribed topic that is no table's are refused", (t) => {
  const client = new World(t).client();
  client.channel("chat/x").subscribe();
  const late = client.channel("chat/x", { shared: false, snapshot: true });
  assert.throws(() => late.subscribe(), { code: "conflict" });
  assert.throws(() => client.channel("chat/x", { rewind: 3 }), { code: "conflict" });
});

test("a callback that another one takes back is not called", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const seen = collector();
  channel.on("e", () => channel.off("e", seen)).on("e", seen);
  await socket.say(event(topic, "e", 1));
  assert.deepEqual(seen.got, []);
  // Nor is any callback of a channel that ends in one.
  channel.on("f", () => channel.unsubscribe()).on("f", seen).on("*", seen);
  await socket.say(event(topic, "f", 1));
  assert.deepEqual(seen.got, []);
});

test("a channel that the application does not hold, and that has nothing to remember, is forgotten", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const world = new World(t);
  world.answer = { status: 200, body: { messages: [] } };
  const client = world.client();
  await world.connect(client);
  const gone = [];
  const registry = new FinalizationRegistry((name) => gone.push(name));
  const use = (name, how) => {
    const channel = client.channel(name);
    registry.register(channel, name);
    how(channel);
  };
  const calls = collector();
  use("chat/published", (it) => it.publish("e", 1));
  use("chat/read", (it) => it.getHistory());
  use("chat/heard", (it) => it.on("e", calls));
  use("chat/subscribed", (it) => it.subscribe());
  use("chat/tracked", (it) => it.track({}));
  use("chat/ended", (it) => it.on("e", calls).subscribe().unsubscribe());
  client.channel("orders", { filter: { a: 1 } });
  for (let n = 0; n < 20 && gone.length < 3; n++) {
    await new Promise(setImmediate);
    collect();
  }
  assert.deepEqual(gone.sort(), ["chat/ended", "chat/published", "chat/read"]);
  // What was said to a channel is still so.
  client.channel("chat/heard").subscribe();
  await world.socket.say({ type: "subscribed", topic: "chat/heard/p", pos: "1" });
  await world.socket.say(event("chat/heard/p", "e", 1));
  assert.equal(calls.got.length, 1);
  assert.equal(client.channel("chat/subscribed").isSubscribed, true);
  world.socket.take();
  client.channel("orders").subscribe();
  assert.deepEqual(world.socket.take()[0].filter, { a: 1 });
});
