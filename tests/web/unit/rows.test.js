/**
 * The rows of a table, from a snapshot and the changes after it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, change, collector, settle, subscribed } from "./fakes.js";

async function snapshot(world, options = {}) {
  const client = world.client();
  const channel = client.channel("orders", { snapshot: true, ...options }).subscribe();
  await settle();
  await world.socket.open();
  const { topic } = channel;
  const seen = collector();
  channel.onRows((rows) => seen(rows.map(({ id, n }) => `${id}${n}`).join(" ")));
  const page = (rows, pos) => ({ type: "snapshot", topic, rows, more: pos === undefined, pos });
  return { client, channel, topic, page, seen };
}

test("a snapshot gives rows, and changes update them", async (t) => {
  const world = new World(t);
  const order = [["n", "desc"]];
  const { channel, topic, page, seen } = await snapshot(world, { order, limit: 10 });
  assert.deepEqual(world.socket.take(), [
    { type: "subscribe", sync: true, topic, snapshot: true, order, limit: 10 },
  ]);
  await world.socket.say(
    { type: "subscribed", topic },
    page([{ id: "a", n: 1 }, { id: "b", n: 1 }]),
    page([{ id: "c", n: 1 }], "5"),
    change(topic, "INSERT", { id: "d", n: 1 }, { pos: "6" }),
    change(topic, "UPDATE", { id: "b", n: 2 }, { old: { id: "b", n: 1 }, pos: "7" }),
    change(topic, "UPDATE", { id: "e", n: 2 }, { old: { id: "a", n: 1 }, pos: "8" }),
    change(topic, "DELETE", { id: "c", n: 1 }, { old: { id: "c", n: 1 }, pos: "9" }),
  );
  assert.deepEqual(seen.got, [
    "a1 b1", "a1 b1 c1", "a1 b1 c1 d1", "b2 a1 c1 d1", "b2 e2 c1 d1", "b2 e2 d1",
  ]);
  assert.equal(channel.rows, channel.rows);
  await world.socket.end();
  await world.comeBack();
  assert.equal(world.socket.take()[0].since, "9");
  await world.socket.say({ type: "subscribed", topic, pos: "9", recovered: true });
  assert.equal(channel.rows.length, 3);
});

test("after a gap the rows are loaded again, and shown when they are complete", async (t) => {
  const world = new World(t);
  const { channel, topic, page, seen } = await snapshot(world);
  const gaps = collector();
  channel.onGap(gaps);
  await world.socket.say({ type: "subscribed", topic }, page([{ id: "a", n: 1 }], "5"));
  await world.socket.end();
  await world.comeBack();
  await world.socket.say(
    { type: "subscribed", topic, recovered: false, gap: { reason: "expired" } },
    page([{ id: "b", n: 1 }]),
    page([{ id: "c", n: 1 }], "50"),
  );
  assert.deepEqual(seen.got, ["a1", "a1", "b1 c1"]);
  assert.deepEqual(gaps.got, [{ topic, reason: "expired", reloads: true }]);
});

test("a snapshot that is cut off is asked for again", async (t) => {
  const world = new World(t);
  const { channel, topic, page } = await snapshot(world);
  const gaps = collector();
  channel.onGap(gaps);
  world.socket.take();
  await world.socket.say({ type: "subscribed", topic }, page([{ id: "old", n: 1 }]));
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, snapshot: true }]);
  await world.socket.say({ type: "subscribed", topic }, page([{ id: "new", n: 1 }], "5"));
  assert.deepEqual(channel.rows, [{ id: "new", n: 1 }]);
  assert.deepEqual(gaps.got, []);
});

test("rows may have other keys", async (t) => {
  for (const key of [["a", "b"], (row) => `${row.a}-${row.b}`]) {
    const world = new World(t);
    const { channel, topic, page } = await snapshot(world, { key });
    await world.socket.say({ type: "subscribed", topic }, page([{ a: 1, b: 1 }, { a: 1, b: 2 }], "1"));
    await world.socket.say(change(topic, "DELETE", { a: 1, b: 1 }));
    assert.deepEqual(channel.rows, [{ a: 1, b: 2 }]);
    assert.deepEqual(world.errors, []);
  }
});

test("rows without a key are reported once, and the frames still come", async (t) => {
  const broken = () => {
    throw new Error("mine");
  };
  for (const key of [undefined, broken]) {
    const world = new World(t);
    const { channel, topic, page } = await snapshot(world, { key });
    const frames = collector();
    channel.on("*", frames);
    await world.socket.say({ type: "subscribed", topic }, page([{ nr: 1 }, { nr: 2 }], "1"));
    await world.socket.say(change(topic, "UPDATE", { nr: 1 }, { old: { nr: 1 } }));
    assert.deepEqual(world.codes, ["no_key"]);
    assert.equal(frames.got.length, 1);
    assert.deepEqual(channel.rows, []);
  }
});

test("a table that is lost is a gap; when it is back, so are its rows", async (t) => {
  const world = new World(t);
  const { channel, topic, page } = await snapshot(world);
  const gaps = collector();
  channel.onGap(gaps);
  await world.socket.say({ type: "subscribed", topic }, page([{ id: "a", n: 1 }], "5"));
  world.socket.take();
  await world.socket.say({ type: "error", code: "table_lost", message: "It was dropped.", topic });
  assert.deepEqual(gaps.got, [{ topic, reason: "table_lost", reloads: true }]);
  assert.equal(channel.state, "subscribed");
  await world.socket.say(change(topic, "INSERT", { id: "b", n: 1 }, { pos: "6" }));
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, snapshot: true }]);
  await world.socket.say({ type: "subscribed", topic }, page([{ id: "b", n: 2 }], "7"));
  assert.deepEqual(channel.rows, [{ id: "b", n: 2 }]);
  await world.socket.say(change(topic, "INSERT", { id: "c", n: 1 }, { pos: "8" }));
  assert.deepEqual(world.socket.take(), []);
});

test("callbacks get the state of the feed", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world, "orders");
  const feed = collector();
  channel.onFeedChange(feed);
  await socket.say({ type: "status", topic, feed: "down", message: "The database is away." });
  assert.equal(channel.feed, "down");
  await socket.say({ type: "status", topic, feed: "up" });
  assert.deepEqual(feed.got, [["down", "The database is away."], ["up", undefined]]);
  await socket.say({ type: "status", topic, feed: "down" });
  await socket.end();
  await world.comeBack();
  await world.socket.say({ type: "subscribed", topic, pos: "1", recovered: true });
  assert.equal(channel.feed, "up");
});
