/**
 * The values of a keyed topic: what the daemon has, at all times.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, settle, subscribed } from "./fakes.js";

/** A value that the daemon sends. */
const value = (topic, key, data, pos, more) => event(topic, "set", data, { key, pos, ...more });
const show = (map) => [...map].map(([key, data]) => `${key}${data}`).join(" ");

/** A channel that has a1 and b2. */
async function keyed(t) {
  const world = new World(t);
  const got = await subscribed(world);
  const { channel, socket, topic } = got;
  const changes = collector();
  channel.sharedState.onChange((values) => changes(show(values)));
  await socket.say(value(topic, "a", 1, "1"), value(topic, "b", 2, "2"));
  assert.deepEqual(changes.got.splice(0), ["a1", "a1 b2"]);
  return { ...got, world, changes };
}

test("each change makes another map, and events are heard as well", async (t) => {
  const { channel, socket, topic, changes } = await keyed(t);
  const events = collector();
  channel.on("set", ({ key, data }) => events(`${key}${data}`));
  const before = channel.sharedState.values;
  await socket.say(value(topic, "a", null, "3"), value(topic, "c", 3, "4"));
  assert.deepEqual(changes.got, ["b2", "b2 c3"]);
  assert.deepEqual(events.got, ["anull", "c3"]);
  assert.equal(show(before), "a1 b2");
  assert.equal(channel.sharedState.values, channel.sharedState.values);
  assert.deepEqual(channel.sharedState.entry("c"), {
    data: 3, pos: "4", event: "set", userId: undefined, timestamp: 1,
  });
});

test("a newcomer sees the values when all of them have come", async (t) => {
  const { world, channel, socket, topic, changes } = await keyed(t);
  await socket.end();
  await world.comeBack();
  const again = { type: "subscribed", topic, recovered: false, gap: { reason: "expired" } };
  const gaps = collector();
  channel.onGap(({ reloads }) => gaps(reloads));
  await world.socket.say(again, value(topic, "x", 1, "5", { current: true, more: true }));
  assert.equal(show(channel.sharedState.values), "a1 b2");
  await world.socket.say(value(topic, "y", 2, "6", { current: true }));
  assert.deepEqual(changes.got, ["x1 y2"]);
  assert.deepEqual(gaps.got, [true]);
  await world.socket.say(value(topic, "x", 9, "7"));
  assert.equal(show(channel.sharedState.values), "y2 x9");
});

test("a client that is cut off among the values goes on from the last one", async (t) => {
  const { world, channel, socket, topic, changes } = await keyed(t);
  await socket.end();
  await world.comeBack();
  await world.socket.say({ type: "subscribed", topic, recovered: false, gap: { reason: "lost" } });
  await world.socket.say(value(topic, "x", 1, "5", { current: true, more: true }));
  await world.socket.end();
  await world.comeBack();
  assert.equal(world.socket.take().find(({ type }) => type === "subscribe").since, "5");
  await world.socket.say({ type: "subscribed", topic, pos: "5", recovered: true });
  await world.socket.say(value(topic, "y", 2, "6"));
  assert.deepEqual(changes.got, ["x1", "x1 y2"]);
  assert.equal(channel.sharedState.isReady, true);
});

test("where no value is left the map is empty", async (t) => {
  const { world, channel, socket, topic, changes } = await keyed(t);
  await socket.end();
  await world.comeBack();
  await world.socket.say({ type: "subscribed", topic, pos: "9", recovered: false });
  assert.deepEqual(changes.got, [""]);
  channel.unsubscribe();
  assert.deepEqual([channel.sharedState.values.size, channel.sharedState.isReady], [0, false]);
});

test("set and delete publish with a key", async (t) => {
  const { channel, socket, topic } = await keyed(t);
  channel.sharedState.set("a", { x: 1 }, { ifNew: true, persist: true });
  channel.sharedState.delete("a", { ifPos: "1" });
  const [set, gone] = socket.take().map(({ id, ...frame }) => frame);
  assert.deepEqual(set, {
    type: "publish", topic, event: "set", data: { x: 1 }, persist: true, key: "a", ifNew: true,
  });
  assert.deepEqual(gone, {
    type: "publish", topic, event: "delete", data: null, key: "a", ifPos: "1",
  });
});

test("update tries again with what another client has set", async (t) => {
  const { world, channel, socket, topic } = await keyed(t);
  const updated = channel.sharedState.update("a", (data) => (data ?? 0) + 10);
  const [first] = socket.take();
  assert.deepEqual([first.data, first.ifPos], [11, "1"]);
  const stale = { type: "error", code: "stale", message: "Stale.", topic };
  await socket.say({ ...stale, id: first.id, pos: "8", data: 5 });
  await settle();
  const [second] = socket.take();
  assert.deepEqual([second.data, second.ifPos], [15, "8"]);
  await socket.say({ ...stale, id: second.id, pos: null, data: null });
  await settle();
  const [third] = socket.take();
  assert.deepEqual([third.data, third.ifPos, third.ifNew], [10, undefined, true]);
  await socket.say({ type: "ack", id: third.id });
  assert.equal(await updated, 10);
  assert.deepEqual(world.codes, []);
  assert.equal(await channel.sharedState.update("a", () => undefined), 1);
  assert.deepEqual(socket.take(), []);
});

test("update fails for a client that may not read the value", async (t) => {
  const { channel, socket, topic } = await keyed(t);
  const updated = channel.sharedState.update("a", (data) => data + 1);
  const [{ id }] = socket.take();
  const rejected = assert.rejects(updated, { code: "stale" });
  await socket.say({ type: "error", code: "stale", message: "Stale.", topic, id });
  await rejected;
  assert.deepEqual(socket.take(), []);
});
