/**
 * Tables that are lost, come back and are altered: what is shown of them is what there is.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, change, collector, settle } from "./fakes.js";

/** A channel with the rows of a table that has a row, at the position 5. */
async function shown(t, options = { snapshot: true }) {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("orders", options).subscribe();
  await settle();
  await world.socket.open();
  const { topic } = channel;
  const page = (ids, pos) => ({
    type: "snapshot", topic, rows: ids.map((id) => ({ id })), more: pos === undefined, pos,
  });
  const [gaps, states] = [collector(), collector()];
  channel.onGap(({ reason, reloads }) => gaps(`${reason} ${reloads}`));
  channel.onStateChange(states);
  const pos = options.snapshot ? undefined : "5";
  await world.socket.say({ type: "subscribed", topic, pos });
  if (options.snapshot) await world.socket.say(page(["a", "b"]), page(["c"], "5"));
  world.socket.take();
  const lost = { type: "error", code: "table_lost", message: "It was emptied.", topic };
  const status = (table) => ({ type: "status", topic, table, message: "A sentence." });
  const ids = () => channel.rows.map(({ id }) => id).join("");
  const ask = { type: "subscribe", sync: true, topic, snapshot: true };
  return { world, client, channel, topic, page, gaps, states, lost, status, ids, ask };
}

test("the rows of a table that is lost are asked for at once, and when it is back", async (t) => {
  const { world, channel, topic, page, gaps, lost, status, ids, ask } = await shown(t);
  const { socket } = world;
  await socket.say(lost);
  assert.deepEqual(socket.take(), [ask]);
  assert.deepEqual(gaps.got, ["table_lost true"]);
  await socket.say(status("back"));
  await socket.say({ type: "subscribed", topic });
  // The answer to the first question may be older than the table.
  assert.deepEqual(socket.take(), [ask]);
  await socket.say(page(["x"], "6"), { type: "subscribed", topic }, page(["y"], "7"));
  assert.equal(ids(), "y");
  assert.equal(channel.state, "subscribed");
  assert.deepEqual(gaps.got, ["table_lost true", "back true"]);
  await socket.say(change(topic, "INSERT", { id: "z" }, { pos: "8" }));
  assert.equal(ids(), "yz");
  assert.deepEqual(socket.take(), []);
});

test("rows show altered columns", async (t) => {
  const { world, topic, page, gaps, status, ids, ask } = await shown(t);
  await world.socket.say(status("altered"));
  assert.deepEqual(world.socket.take(), [ask]);
  assert.equal(ids(), "abc");
  await world.socket.say({ type: "subscribed", topic }, page(["d"], "9"));
  assert.equal(ids(), "d");
  assert.deepEqual(gaps.got, ["altered true"]);
});

test("a missing table has no rows, and is asked for after growing pauses", async (t) => {
  // As a daemon answers that keeps the subscription, and one that ends it.
  for (const ends of [false, true]) {
    const { world, channel, topic, page, lost, status, ids, ask } = await shown(t);
    const { socket } = world;
    const gone = { type: "error", code: "unknown_table", message: "There is none.", topic };
    await socket.say(lost);
    assert.deepEqual(socket.take(), [ask]);
    // Half of a pause is random, and the fake gives half of that.
    for (const pause of [1500, 3000, 6000]) {
      await socket.say({ type: "subscribed", topic }, gone);
      if (ends) await socket.say({ type: "unsubscribed", topic });
      assert.equal(ids(), "");
      await world.clock.advance(pause - 1);
      assert.deepEqual(socket.take(), []);
      await world.clock.advance(1);
      assert.deepEqual(socket.take(), [ask]);
    }
    await socket.say({ ...gone, request: "subscribe" });
    assert.deepEqual(world.codes, ["unknown_table"]);
    if (ends) await world.clock.advance(16_000);
    else await socket.say(status("back"));
    assert.deepEqual(socket.take(), [ask]);
    await socket.say({ type: "subscribed", topic }, page(["n"], "1"));
    assert.equal(ids(), "n");
    assert.equal(channel.state, "subscribed");
    await world.clock.advance(100_000);
    assert.deepEqual(socket.take().filter(({ type }) => type !== "ping"), []);
  }
});

test("a table that is created later is found by itself, or at once if it is asked for", async (t) => {
  for (const options of [{}, { snapshot: true }]) {
    const world = new World(t);
    world.answersPings = true;
    const channel = world.client().channel("orders", options).subscribe();
    const { topic } = channel;
    const states = collector();
    channel.onStateChange(states);
    await settle();
    await world.socket.open();
    const gone = { type: "error", code: "unknown_table", message: "There is none.", topic };
    const refuse = () => world.socket.say({ ...gone, request: "subscribe" });
    const asks = () => world.socket.take().filter(({ type }) => type === "subscribe").length;
    assert.equal(asks(), 1);
    await refuse();
    assert.equal(channel.error.code, "unknown_table");
    for (const pause of [1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000]) {
      assert.deepEqual([channel.state, channel.isSubscribed], ["refused", true]);
      await world.clock.advance(pause - 1);
      assert.equal(asks(), 0);
      await world.clock.advance(1);
      assert.equal(asks(), 1);
      await refuse();
    }
    assert.deepEqual(world.codes, ["unknown_table"]);
    channel.subscribe();
    assert.equal(asks(), 1);
    await world.socket.say({ type: "subscribed", topic, pos: "1" });
    assert.deepEqual([channel.state, channel.error], ["subscribed", null]);
    assert.deepEqual(states.got, ["refused", "subscribing", "subscribed"]);
    await world.clock.advance(100_000);
    assert.equal(asks(), 0);
  }
});

test("a channel that is unsubscribed asks for no missing table", async (t) => {
  const world = new World(t);
  const channel = world.client().channel("orders").subscribe();
  const { topic } = channel;
  await settle();
  await world.socket.open();
  const gone = { type: "error", code: "unknown_table", message: "There is none.", topic };
  await world.socket.say({ ...gone, request: "subscribe" });
  channel.unsubscribe();
  world.socket.take();
  await world.clock.advance(100_000);
  assert.deepEqual(world.socket.take().filter(({ type }) => type !== "ping"), []);
});

test("a channel without rows reports the gap, and asks for nothing", async (t) => {
  const { world, channel, gaps, lost, status } = await shown(t, {});
  await world.socket.say(lost, status("back"), status("altered"));
  assert.deepEqual(gaps.got, ["table_lost false", "back false", "altered false"]);
  assert.deepEqual(world.socket.take(), []);
  assert.equal(channel.state, "subscribed");
  assert.equal(channel.feed, "up");
});

test("rows that were asked for when the connection broke are asked for again", async (t) => {
  const { world, topic, page, gaps, lost, ids, ask } = await shown(t);
  await world.socket.say(lost);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [ask]);
  await world.socket.say({ type: "subscribed", topic }, page([], "1"));
  assert.equal(ids(), "");
  // Of the changes in between there is no word.
  assert.deepEqual(gaps.got, ["table_lost true", "unknown true"]);
});

test("rows that have yet to come are asked for again, whatever else came", async (t) => {
  const { world, channel, topic, page, ask } = await shown(t);
  await world.socket.end();
  await world.comeBack();
  await world.socket.say(
    { type: "subscribed", topic, pos: "50", recovered: false, gap: { reason: "expired" } },
    change(topic, "INSERT", { id: "d" }, { pos: "51" }),
  );
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [ask]);
  await world.socket.say({ type: "subscribed", topic }, page(["e"], "60"));
  assert.deepEqual(channel.rows, [{ id: "e" }]);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(world.socket.take(), [{ ...ask, since: "60" }]);
});

test("a channel whose view has changed resumes", async (t) => {
  const { world, channel, topic, states } = await shown(t, {});
  const changed = { type: "error", code: "view_changed", message: "Ask again.", topic };
  await world.socket.say(changed, { type: "unsubscribed", topic });
  await world.clock.advance(0);
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "5" }]);
  await world.socket.say({ type: "subscribed", topic, pos: "5", recovered: true });
  assert.equal(channel.state, "subscribed");
  assert.ok(!states.got.includes("refused"));
});

test("rows stay when events on the table's topic are lost", async (t) => {
  const { world, topic, gaps, ids } = await shown(t);
  await world.socket.say({ type: "status", topic, events: "lost", message: "Some are missing." });
  assert.deepEqual(gaps.got, ["events false"]);
  assert.deepEqual(world.socket.take(), []);
  assert.equal(ids(), "abc");
});
