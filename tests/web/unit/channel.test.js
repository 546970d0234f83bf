/**
 * Channels: what reaches an application, and that nothing is missing when it comes back.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { World, change, collector, event, settle, subscribed } from "./fakes.js";

test("topics have one name, however they are written", (t) => {
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
});

test("callbacks get whole frames, by operation, by event, or all", async (t) => {
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

test("a callback that throws is told, and stops no other", async (t) => {
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

test("callbacks may come and go while they are called", async (t) => {
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

test("subscribing connects, once, and waits for the connection", async (t) => {
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

test("every reconnect goes on where the last frame was", async (t) => {
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

test("an application is told when something does not come any more", async (t) => {
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

test("disconnecting and connecting again goes on where it was", async (t) => {
  const world = new World(t);
  const { client, topic } = await subscribed(world);
  client.disconnect();
  await world.connect(client);
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "1" }]);
});

test("unsubscribing ends it, and forgets everything", async (t) => {
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

test("leaving ends with the connection", async (t) => {
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

test("leaving and coming by turns ends as it was wanted last", async (t) => {
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


test("a refusal that passes is tried again by itself", async (t) => {
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

test("a refusal that stays is told, and tried again with the next token or connection", async (t) => {
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

test("errors that are about nothing in particular are told", async (t) => {
  const world = new World(t);
  const { socket } = await subscribed(world);
  await socket.say({ type: "error", code: "lagging", message: "Read faster." });
  assert.deepEqual(world.codes, ["lagging"]);
});

test("channels of their own share a subscription, and end by themselves", async (t) => {
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

test("as long as a topic is not subscribed, the options that were said last count", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("orders", { filter: { status: "new" } });
  assert.equal(client.channel("orders", { filter: { status: "old" } }), channel);
  channel.subscribe();
  await settle();
  await world.socket.open();
  assert.deepEqual(world.socket.take()[0].filter, { status: "old" });
});

test("a topic has one subscription, so other options for it are refused", async (t) => {
  const world = new World(t);
  const client = world.client();
  const filtered = client.channel("orders", { filter: { status: "new" } }).subscribe();
  assert.equal(client.channel("orders"), filtered);
  assert.equal(client.channel("orders", { filter: { status: "new" } }), filtered);
  for (const options of [{ filter: { status: "old" } }, { snapshot: true }, { filter: {} }]) {
    assert.throws(() => client.channel("orders", options), { code: "conflict" });
    const own = client.channel("orders", { ...options, shared: false });
    assert.throws(() => own.subscribe(), { code: "conflict" });
  }
  filtered.unsubscribe();
  // Rows disturb nobody who wants none.
  const order = ["id"];
  client.channel("orders", { snapshot: true, order }).subscribe();
  client.channel("orders", { shared: false }).subscribe();
  client.channel("orders", { shared: false, snapshot: true, order: ["id"] }).subscribe();
  client.channel("chat/x").subscribe();
  const late = client.channel("chat/x", { shared: false, snapshot: true });
  assert.throws(() => late.subscribe(), { code: "conflict" });
  for (const other of [{ order: [["id", "desc"]] }, { order, limit: 1 }, { order, key: "x" }]) {
    const own = client.channel("orders", { shared: false, snapshot: true, ...other });
    assert.throws(() => own.subscribe(), { code: "conflict" });
  }
});

test("presence is a ready set, and its changes are events", async (t) => {
  const world = new World(t);
  const { channel, socket, topic } = await subscribed(world);
  const [changes, events] = [collector(), collector()];
  channel.presence.onChange((members) => changes([...members.keys()]));
  channel.on("presence:join", events).on("presence:leave", events);
  const member = (connectionId, state = {}) => ({ userId: "u", connectionId, state, since: 1 });
  await socket.say(
    event(topic, "presence:sync", { members: [member("a"), member("b")] }),
    event(topic, "presence:join", member("c")),
    event(topic, "presence:update", member("a", { typing: true })),
    event(topic, "presence:leave", member("b")),
  );
  assert.deepEqual(changes.got, [["a", "b"], ["a", "b", "c"], ["a", "b", "c"], ["a", "c"]]);
  assert.deepEqual(channel.presence.members.get("a").state, { typing: true });
  assert.deepEqual(events.got.map((frame) => frame.event), ["presence:join", "presence:leave"]);
});

test("who is present is so on the next connection as well", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("doc/1");
  const { topic } = channel;
  channel.track({ line: 1 });
  await settle();
  await world.socket.open();
  assert.deepEqual(world.socket.take(), [{ type: "track", sync: true, topic, state: { line: 1 } }]);
  channel.track({ line: 2 });
  assert.deepEqual(world.socket.take(), [{ type: "track", topic, state: { line: 2 } }]);
  channel.subscribe();
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [
    { type: "track", sync: true, topic, state: { line: 2 } },
    { type: "subscribe", sync: true, topic },
  ]);
  channel.untrack();
  channel.untrack();
  assert.deepEqual(world.socket.take(), [{ type: "untrack", topic }]);
  for (const state of [undefined, null, "x", []]) assert.throws(() => channel.track(state), TypeError);
});

test("of several that are present on a topic the last state counts", async (t) => {
  const world = new World(t);
  const client = world.client();
  await world.connect(client);
  const [a, b] = [1, 2].map(() => client.channel("doc/1", { shared: false }));
  a.track({ from: "a" });
  b.track({ from: "b" });
  a.track({ from: "a again" });
  a.untrack();
  b.untrack();
  assert.deepEqual(world.socket.take().map(({ type, state }) => [type, state?.from]), [
    ["track", "a"], ["track", "b"], ["track", "a again"], ["track", "b"], ["untrack", undefined],
  ]);
});

test("being present stands in nobody's way who subscribes with options", async (t) => {
  const world = new World(t);
  const client = world.client();
  await world.connect(client);
  client.channel("orders").track({});
  const filtered = client.channel("orders", { shared: false, filter: { a: 1 } }).subscribe();
  assert.deepEqual(world.socket.take()[1].filter, { a: 1 });
  client.channel("orders", { shared: false }).track({ x: 1 });
  assert.equal(filtered.isSubscribed, true);
});

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

test("a snapshot gives rows, and changes keep them right", async (t) => {
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
    "a1 b1", "a1 b1 c1", "a1 b1 c1 d1", "a1 b2 c1 d1", "b2 c1 d1 e2", "b2 d1 e2",
  ]);
  assert.equal(channel.rows, channel.rows);
  await world.socket.end();
  await world.comeBack();
  assert.equal(world.socket.take()[0].since, "9");
  await world.socket.say({ type: "subscribed", topic, pos: "9", recovered: true });
  assert.equal(channel.rows.length, 3);
});

test("after a gap the rows are loaded anew, and shown once they are complete", async (t) => {
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

test("rows without a key are told once, and the frames still come", async (t) => {
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

test("a feed that is down is told, and that it is up", async (t) => {
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

test("a callback that is taken off in a callback is not called any more", async (t) => {
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

test("a channel that nothing holds and that has nothing to remember is forgotten", async (t) => {
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
