/**
 * How the client finds out that the daemon does not answer.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PONG, World, makePage } from "./fakes.js";

test("an attempt that the server does not answer ends, and another one follows", async (t) => {
  const world = new World(t);
  const client = world.client();
  const opening = client.connect();
  await world.clock.advance(10_000);
  await assert.rejects(opening, { code: "no_answer" });
  assert.equal(world.sockets[0].isClosed, true);
  assert.equal(client.status, "reconnecting");
  // It comes too late.
  assert.equal(world.sockets[0].onopen, null);
  await world.comeBack();
  assert.equal(client.status, "connected");
  assert.deepEqual(world.codes, ["no_answer"]);
  // The address is as the application wrote it.
  assert.match(world.errors[0].message, /^http:\/\/rt\.test did not answer within \d+ ms\.$/);
});

test("a silent daemon gets a ping, and loses the connection if it does not answer", async (t) => {
  const world = new World(t);
  const client = world.client();
  await world.connect(client);
  await world.socket.say(PONG);
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), []);
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  await world.socket.say({ type: "pong" });
  await world.clock.advance(10_000);
  assert.equal(client.status, "connected");
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  // This is not what the daemon answers.
  await world.socket.say({ type: "ping" });
  await world.clock.advance(10_000);
  assert.equal(client.status, "reconnecting");
  assert.deepEqual(world.codes, ["no_answer"]);
});

test("the client probes the connection when the network or the visibility of the page changes", async (t) => {
  const world = new World(t);
  makePage(t, world);
  const client = world.client();
  await world.connect(client);
  for (const what of ["offline", "online", "visibilitychange"]) {
    world.events.fire(what);
    assert.deepEqual(world.socket.take(), [{ type: "ping" }], what);
    await world.socket.say(PONG);
    await world.clock.advance(10_000);
    assert.equal(client.status, "connected");
  }
  globalThis.document.hidden = true;
  world.events.fire("visibilitychange");
  assert.deepEqual(world.socket.take(), []);
  world.events.fire("offline");
  await world.clock.advance(10_000);
  assert.equal(client.status, "reconnecting");
});

test("showing the page again does not extend the time of a probe", async (t) => {
  const world = new World(t);
  makePage(t, world);
  const client = world.client();
  await world.connect(client);
  for (let n = 0; n < 9; n++) {
    world.events.fire("visibilitychange");
    await world.clock.advance(1000);
  }
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  await world.clock.advance(1000);
  assert.equal(client.status, "reconnecting");
});
