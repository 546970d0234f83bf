/**
 * Who is present: the set is true at all times, however slow the line is.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, settle, subscribed } from "./fakes.js";

const member = (connectionId, state = {}) => ({ connectionId, state, userId: "u", since: 1 });
const names = (channel) => [...channel.presence.members.keys()].join("");

/** What the daemon says to one who comes back, in pages. */
const page = (topic, number, ...ids) =>
  event(topic, "presence:sync", { members: ids.map((id) => member(id)), page: number });
const again = (topic) => ({ type: "subscribed", topic, pos: "1", recovered: true, sync: true });
const synced = (topic) => ({ type: "synced", topic, timestamp: 1 });

/** A channel on which a and b are present. */
async function inhabited(t) {
  const world = new World(t);
  const got = await subscribed(world);
  const { channel, socket, topic } = got;
  const changes = collector();
  channel.presence.onChange(() => changes(names(channel)));
  await socket.say(event(topic, "presence:sync", { members: [member("a"), member("b")] }));
  assert.deepEqual(changes.got.splice(0), ["ab"]);
  return { ...got, world, changes };
}

test("after a reconnect the old members stay until the new set is complete", async (t) => {
  const { world, channel, socket, topic, changes } = await inhabited(t);
  const syncs = collector();
  channel.on("presence:sync", ({ data }) => syncs(data.members.map((it) => it.connectionId)));
  await socket.end();
  await world.comeBack();
  await world.socket.say(again(topic));
  // A slow line.
  await world.clock.advance(20_000);
  assert.equal(names(channel), "ab");
  await world.socket.say(page(topic, 0, "b", "c"));
  await world.socket.say(event(topic, "presence:leave", member("b")));
  await world.socket.say(event(topic, "presence:join", member("d")), page(topic, 1, "e"));
  assert.equal(names(channel), "ab");
  assert.deepEqual([changes.got, syncs.got], [[], []]);
  await world.socket.say(synced(topic));
  assert.deepEqual(changes.got, ["cde"]);
  assert.deepEqual(syncs.got, [["c", "d", "e"]]);
  await world.socket.say(event(topic, "presence:leave", member("c")));
  assert.deepEqual(changes.got, ["cde", "de"]);
});

test("a member that joins right after a new subscription does not keep old members", async (t) => {
  const { world, channel, socket, topic } = await inhabited(t);
  await socket.end();
  await world.comeBack();
  // A daemon that was restarted has no members yet, and then all of them anew.
  await world.socket.say(again(topic), event(topic, "presence:join", member("A")), synced(topic));
  await world.socket.say(event(topic, "presence:join", member("B")));
  await world.clock.advance(1000);
  assert.equal(names(channel), "AB");
});

test("when all members have left the set is empty, and callbacks are called once", async (t) => {
  const { world, channel, socket, topic, changes } = await inhabited(t);
  await socket.end();
  await world.comeBack();
  await world.socket.say(again(topic), synced(topic), synced(topic));
  assert.equal(names(channel), "");
  assert.deepEqual(changes.got, [""]);
  // Where there were no members either, there is nothing to tell.
  const frames = collector();
  channel.on("*", frames);
  await world.socket.end();
  await world.comeBack();
  await world.socket.say(again(topic), synced(topic));
  assert.deepEqual([changes.got, frames.got], [[""], []]);
});

test("a set that is cut off begins again", async (t) => {
  const { world, channel, socket, topic, changes } = await inhabited(t);
  await socket.end();
  await world.comeBack();
  await world.socket.say(again(topic), page(topic, 0, "x"));
  await world.socket.end();
  await world.comeBack();
  assert.equal(names(channel), "ab");
  await world.socket.say(again(topic), page(topic, 0, "c"), page(topic, 0, "d"), synced(topic));
  assert.deepEqual(changes.got, ["d"]);
});

test("an older daemon sends the whole set at once, or no set for a topic without members", async (t) => {
  const { world, channel, socket, topic } = await inhabited(t);
  const answer = { type: "subscribed", topic, pos: "1", recovered: true };
  await socket.end();
  await world.comeBack();
  await world.socket.say(answer, event(topic, "presence:sync", { members: [member("c")] }));
  assert.equal(names(channel), "c");
  await world.socket.end();
  await world.comeBack();
  await world.socket.say(answer);
  assert.equal(names(channel), "");
});

test("an unsubscribed channel has no members, and calls no callbacks", async (t) => {
  const { client, channel, socket, topic, changes } = await inhabited(t);
  const other = client.channel("chat/x", { shared: false }).subscribe();
  const held = channel.presence.members;
  channel.unsubscribe();
  assert.equal(names(channel), "");
  await socket.say(event(topic, "presence:join", member("c")));
  assert.deepEqual(changes.got, []);
  assert.equal(names(other), "abc");
  other.unsubscribe();
  assert.deepEqual([names(other), held.size], ["", 0]);
});

test("a presence callback stays before and after a channel is in use", async (t) => {
  const { client, socket, topic } = await inhabited(t);
  const other = client.channel("chat/x", { shared: false });
  const seen = collector();
  other.presence.onChange((members) => seen(members.size));
  other.subscribe();
  await socket.say(event(topic, "presence:join", member("c")));
  assert.deepEqual(seen.got, [3]);
});

test("a client with another token is present as the user of that token", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world, "chat/x", {
    client: { token: "ann" },
  });
  channel.track({ a: 1 });
  client.channel("chat/y").subscribe();
  socket.take();
  client.setToken("bob");
  assert.deepEqual(socket.take(), [
    { type: "auth", token: "bob" }, { type: "track", sync: true, topic, state: { a: 1 } },
  ]);
  channel.untrack();
  client.setToken("carl");
  assert.deepEqual(socket.take(), [{ type: "untrack", topic }, { type: "auth", token: "carl" }]);
});

test("a client that comes back sends its presence first", async (t) => {
  const world = new World(t);
  const { client, socket } = await subscribed(world);
  for (let n = 0; n < 50; n++) client.channel(`chat/${n}`).subscribe();
  client.channel("chat/49").track({ a: 1 });
  await socket.end();
  await world.comeBack();
  const [first] = world.socket.take();
  assert.deepEqual([first.type, first.topic], ["track", "chat/49/p"]);
});

test("an unused channel of a topic ends nothing of the used one", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  channel.track({ a: 1 });
  socket.take();
  const idle = client.channel("chat/x", { shared: false });
  idle.untrack();
  idle.unsubscribe();
  assert.deepEqual(socket.take(), []);
  const seen = collector();
  channel.on("e", seen);
  await socket.say(event(topic, "e", 1));
  assert.equal(seen.got.length, 1);
  await socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["track", "subscribe"]);
});

test("being present before subscribing keeps a channel's options", async (t) => {
  const world = new World(t);
  const client = world.client();
  const socket = await world.connect(client);
  const filter = { a: 1 };
  const filtered = client.channel("orders", { shared: false, filter });
  filtered.track({});
  filtered.subscribe();
  assert.deepEqual(socket.take().find(({ type }) => type === "subscribe").filter, filter);
  const whole = client.channel("orders", { shared: false });
  whole.track({});
  whole.subscribe();
  const asked = socket.take().find(({ type }) => type === "subscribe");
  assert.deepEqual([asked.filter, typeof asked.view], [undefined, "string"]);
});

test("the members of a table are the same for all of its subscriptions", async (t) => {
  const world = new World(t);
  const client = world.client();
  const socket = await world.connect(client);
  const first = client.channel("orders", { shared: false, filter: { a: 1 } }).subscribe();
  const second = client.channel("orders", { shared: false, filter: { a: 2 } }).subscribe();
  const [{ view }] = socket.take().slice(1);
  const { topic } = first;
  const seen = collector();
  second.on("presence:join", seen);
  await socket.say(
    { type: "subscribed", topic, view, pos: "1", sync: true },
    { type: "synced", topic, timestamp: 1 },
    { type: "subscribed", topic, pos: "1" },
    event(topic, "presence:join", { connectionId: "c", userId: "bob", state: {} }),
  );
  for (const channel of [first, second]) {
    assert.deepEqual([...channel.presence.members.keys()], ["c"]);
  }
  assert.equal(seen.got.length, 1);
  first.unsubscribe();
  assert.deepEqual([...second.presence.members.keys()], ["c"]);
  second.unsubscribe();
  assert.equal(second.presence.members.size, 0);
});

test("track() encodes the state at once, and throws if it cannot be JSON", async (t) => {
  const world = new World(t);
  const { client, channel, socket } = await subscribed(world);
  const state = { a: 1 };
  await socket.end();
  channel.track(state);
  state.a = 2;
  await world.comeBack();
  assert.deepEqual(world.socket.take()[0].state, { a: 1 });
  state.self = state;
  for (const bad of [state, { n: 7n }, { text: "half \ud83d" }, { toJSON: () => 7 }]) {
    assert.throws(() => channel.track(bad), { code: "invalid_data" });
  }
  assert.equal(client.status, "connected");
  await settle();
});
