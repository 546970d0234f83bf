/**
 * Channels that begin with the newest frames of their topic.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, event, settle, subscribed } from "./fakes.js";

/** What a new channel gets before the next frame comes. */
async function join(client, topic, options) {
  const channel = client.channel(topic, { ...options, shared: false });
  const all = collector();
  channel.on("*", all).subscribe();
  assert.deepEqual(all.got, []);
  await settle();
  return all.got.map(({ data }) => data);
}

test("a channel asks for the newest frames, and its callbacks get them", async (t) => {
  const world = new World(t);
  const client = world.client();
  const all = collector();
  client.channel("chat/x", { rewind: 2 }).on("*", all).subscribe();
  const socket = await world.connect(client);
  const [{ rewind, since }] = socket.take();
  assert.deepEqual([rewind, since], [2, undefined]);
  const topic = "chat/x/p";
  const frames = [1, 2, 3].map((n) => event(topic, "e", n, { pos: `${n}` }));
  await socket.say({ type: "subscribed", topic }, ...frames);
  assert.deepEqual(all.got, frames);
  await socket.end();
  const [again] = (await world.comeBack()).take();
  assert.deepEqual([again.since, again.rewind], ["3", 2]);
});

test("a channel that joins later gets the same from the client", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world, "chat/x", { channel: { rewind: 3 } });
  const frames = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => event(topic, "e", n, { pos: `${n}` }));
  channel.on("*", () => {});
  await socket.say(...frames);
  assert.deepEqual(await join(client, topic, { rewind: 3 }), [6, 7, 8]);
  assert.deepEqual(await join(client, topic, { rewind: 1 }), [8]);
  assert.deepEqual(await join(client, topic, {}), []);
  assert.deepEqual(socket.take(), []);
  assert.throws(() => client.channel(topic, { rewind: 4, shared: false }).subscribe(), {
    code: "conflict",
  });
});

test("a channel gets frames from before also if others that hear none came first", async (t) => {
  const world = new World(t);
  const { client, socket, topic, channel } = await subscribed(world, "chat/x");
  await socket.say(event(topic, "e", 1, { pos: "2" }));
  const late = client.channel(topic, { rewind: 2, shared: false });
  const all = collector();
  late.on("*", all).subscribe();
  const [{ rewind, since }] = socket.take();
  assert.deepEqual([rewind, since], [2, undefined]);
  await socket.say({ type: "subscribed", topic }, event(topic, "e", 0), event(topic, "e", 1));
  assert.deepEqual(all.got.map(({ data }) => data), [0, 1]);
  assert.equal(channel.state, "subscribed");
  // Now there is one that would hear them twice.
  assert.throws(() => client.channel(topic, { rewind: 3, shared: false }).subscribe(), {
    code: "conflict",
  });
});

test("a gap begins the past anew", async (t) => {
  const world = new World(t);
  const { client, socket, topic } = await subscribed(world, "chat/x", { channel: { rewind: 3 } });
  await socket.say(event(topic, "e", 1, { pos: "2" }));
  await socket.end();
  const next = await world.comeBack();
  const gap = { reason: "expired" };
  await next.say({ type: "subscribed", topic, recovered: false, gap }, event(topic, "e", 9));
  assert.deepEqual(await join(client, topic, { rewind: 3 }), [9]);
});

test("of a stream the end alone is a frame of the past", async (t) => {
  const world = new World(t);
  const { client, socket, topic } = await subscribed(world, "chat/x", { channel: { rewind: 3 } });
  const mark = { stream: "s", part: "0", at: 0 };
  await socket.say(
    event(topic, "ai:start", { id: "s" }, { stream: "s" }),
    event(topic, "ai:token", { token: "hello" }, mark),
    event(topic, "ai:done", { id: "s" }, { stream: "s", state: "done", pos: "4" }),
  );
  assert.deepEqual(await join(client, topic, { rewind: 3 }), [{ id: "s" }]);
});

test("a channel that subscribes anew because text is missing gets no frame again", async (t) => {
  const world = new World(t);
  const { socket, topic } = await subscribed(world, "chat/x", { channel: { rewind: 3 } });
  const mark = { stream: "s", part: "0", at: 7, pos: "2" };
  await socket.say(event(topic, "ai:token", { token: "hello" }, mark));
  const [{ type, since, rewind }] = socket.take();
  assert.deepEqual([type, since, rewind], ["subscribe", undefined, 0]);
});
