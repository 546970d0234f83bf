/**
 * Presence on a channel: members, and the state of this client.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, settle, subscribed } from "./fakes.js";

test("presence is a complete set, and its changes are events", async (t) => {
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

test("a channel is present on the next connection, too", async (t) => {
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

test("of several channels that are present the last state counts", async (t) => {
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

test("a present channel does not refuse the options of a subscription", async (t) => {
  const world = new World(t);
  const client = world.client();
  await world.connect(client);
  client.channel("orders").track({});
  const filtered = client.channel("orders", { shared: false, filter: { a: 1 } }).subscribe();
  assert.deepEqual(world.socket.take()[1].filter, { a: 1 });
  client.channel("orders", { shared: false }).track({ x: 1 });
  assert.equal(filtered.isSubscribed, true);
});
