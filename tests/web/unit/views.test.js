/**
 * Several subscriptions of one client to one table.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, change, collector } from "./fakes.js";

/** Two channels of one table with other filters, which the daemon has confirmed. */
async function two(t) {
  const world = new World(t);
  const client = world.client();
  const socket = await world.connect(client);
  const filters = [{ side: 1 }, { side: 2 }];
  const channels = filters.map((filter) =>
    client.channel("orders", { shared: false, snapshot: true, filter }).subscribe(),
  );
  const asked = socket.take();
  assert.deepEqual(asked.map(({ filter }) => filter), filters);
  const { view } = asked[1];
  const { topic } = channels[0];
  const rows = (side) => ({ rows: [{ id: side, side }], more: false });
  await socket.say(
    { type: "subscribed", topic, view },
    { type: "snapshot", topic, view, pos: "v1", ...rows(2) },
    { type: "subscribed", topic },
    { type: "snapshot", topic, pos: "p1", ...rows(1) },
  );
  return { world, client, socket, channels, topic, view };
}

test("each subscription has its own rows, and frames go to the one that they name", async (t) => {
  const { socket, channels, topic, view } = await two(t);
  const [one, other] = channels.map((channel) => {
    const seen = collector();
    channel.on("*", seen);
    return seen;
  });
  assert.deepEqual(channels.map(({ state }) => state), ["subscribed", "subscribed"]);
  await socket.say(
    change(topic, "INSERT", { id: 3, side: 1 }, { pos: "p2" }),
    change(topic, "INSERT", { id: 4, side: 2 }, { view, pos: "v2" }),
  );
  assert.deepEqual(channels.map(({ rows }) => rows.map(({ id }) => id)), [[1, 3], [2, 4]]);
  assert.deepEqual([one, other].map(({ got }) => got.map(({ data }) => data.id)), [[3], [4]]);
});

test("each subscription resumes from its own position", async (t) => {
  const { world, socket, view } = await two(t);
  await socket.end();
  const asked = (await world.comeBack()).take();
  assert.deepEqual(asked.map((frame) => [frame.view, frame.since]), [[undefined, "p1"], [view, "v1"]]);
});

test("an error, and an end, is about the subscription that it names", async (t) => {
  const { socket, channels, topic, view, world } = await two(t);
  await socket.say(
    { type: "error", code: "forbidden", message: "No.", topic, view },
    { type: "unsubscribed", topic, view },
  );
  assert.deepEqual(channels.map(({ state }) => state), ["subscribed", "refused"]);
  assert.deepEqual(world.codes, ["forbidden"]);
  assert.deepEqual(channels.map(({ error }) => error?.code), [undefined, "forbidden"]);
});

test("a subscription ends by its name, and the others stay", async (t) => {
  const { socket, channels, topic, view, client } = await two(t);
  channels[1].unsubscribe();
  assert.deepEqual(socket.take(), [{ type: "unsubscribe", topic, view }]);
  await socket.say(
    { type: "unsubscribed", topic, view },
    change(topic, "INSERT", { id: 5, side: 1 }, { pos: "p3" }),
  );
  assert.deepEqual(channels[0].rows.map(({ id }) => id), [1, 5]);
  // The same options get the same name.
  client.channel("orders", { shared: false, snapshot: true, filter: { side: 2 } }).subscribe();
  assert.equal(socket.take()[0].view, view);
});

test("channels with other options are others, also before they subscribe", async (t) => {
  const world = new World(t);
  const client = world.client();
  const socket = await world.connect(client);
  const sides = [1, 2, 1].map((side) => client.channel("orders", { filter: { side } }));
  assert.equal(sides[2], sides[0]);
  for (const channel of sides) channel.subscribe();
  assert.deepEqual(socket.take().map(({ filter }) => filter), [{ side: 1 }, { side: 2 }]);
  // A channel without options takes the first that it is given.
  const plain = client.channel("items");
  assert.equal(client.channel("items", { filter: { side: 3 } }), plain);
});
