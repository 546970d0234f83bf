/**
 * How the connection opens again after a loss, and when the client gives up.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PONG, World, collector, makePage, settle } from "./fakes.js";

test("the pauses are random, up to a bound that grows", async (t) => {
  const world = new World(t);
  const client = world.client({ reconnectDelay: 100, maxReconnectDelay: 1000 });
  const delays = [];
  client.onStatusChange((status, { delay }) => delays.push(delay));
  client.connect();
  await settle();
  for (let n = 0; n < 6; n++) {
    await world.socket.end();
    await world.clock.advance(1000);
  }
  // Half of the bound, as chance has it here.
  assert.deepEqual(delays, [undefined, 50, 100, 200, 400, 500, 500]);
  t.mock.method(Math, "random", () => 0);
  await world.socket.end();
  assert.equal(delays.at(-1), 0);
});

test("the pauses grow for a server that closes at once", async (t) => {
  const world = new World(t);
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delay === undefined || delays.push(delay));
  await world.connect(client);
  for (let n = 0; n < 4; n++) {
    await world.socket.say(PONG);
    await world.socket.end();
    await world.comeBack();
  }
  assert.deepEqual(delays, [500, 1000, 2000, 4000]);
  // One that held makes a new beginning.
  await world.socket.say(PONG);
  await world.clock.advance(5000);
  await world.socket.end();
  assert.equal(delays.at(-1), 500);
});

test("the client comes back when the daemon said", async (t) => {
  const world = new World(t);
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delay === undefined || delays.push(delay));
  await world.connect(client);
  await world.socket.say({ type: "reconnect", delay: 4711, reason: "restart" });
  await world.socket.end(1001, "restarting; reconnect in 9 ms");
  await world.clock.advance(4710);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
  await world.socket.end(1001, "restarting; reconnect in 1234 ms");
  await world.comeBack();
  // What is no delay is none.
  await world.socket.say({ type: "reconnect", delay: "soon" });
  await world.socket.end(1001);
  assert.deepEqual(delays, [4711, 1234, 2000]);
});

test("the close code decides whether the client comes back", async (t) => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 4002, 4008, 4999]) {
    const world = new World(t);
    const client = world.client();
    await world.connect(client);
    await world.socket.end(code);
    await world.comeBack();
    assert.equal(client.status, "connected", code);
    assert.deepEqual(world.codes, []);
    client.disconnect();
  }
  for (const code of [1000, 1002, 1003, 1007, 4009, 4029]) {
    const world = new World(t);
    const client = world.client();
    await world.connect(client);
    const lost = client.channel("chat/x").publish("e");
    await world.socket.end(code, "enough");
    await world.clock.advance(1_000_000);
    assert.equal(world.sockets.length, 1, code);
    assert.equal(client.status, "disconnected");
    assert.equal(world.errors[0].closeCode, code);
    assert.match(world.errors[0].message, /enough/);
    await assert.rejects(lost, { code: "closed" });
    await world.connect(client);
    assert.equal(client.status, "connected");
    client.disconnect();
  }
});

test("the client gives up after maxReconnectAttempts", async (t) => {
  const world = new World(t);
  const client = world.client({ maxReconnectAttempts: 2 });
  const told = collector();
  const untold = collector();
  client.onMaxRetriesExceeded(() => told("gave up"));
  client.onMaxRetriesExceeded(untold)();
  await world.connect(client);
  for (let n = 0; n < 2; n++) {
    await world.socket.end();
    await world.comeBack();
  }
  await world.socket.end();
  await world.clock.advance(1_000_000);
  assert.equal(world.sockets.length, 3);
  assert.deepEqual([told.got, untold.got], [["gave up"], []]);
  assert.deepEqual(world.codes, ["max_retries"]);
  assert.equal(client.status, "disconnected");
  await world.connect(client);
  assert.equal(client.status, "connected");
});

test("a client that is refused for a while comes back afterwards", async (t) => {
  const world = new World(t);
  world.answer = { status: 429, body: { error: "rate_limited", message: "No.", retryAfter: 7000 } };
  world.client().connect();
  await settle();
  await world.socket.end();
  await world.clock.advance(6999);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
});

test("the client comes back at once when the network is back", async (t) => {
  const world = new World(t);
  const client = world.client({ maxReconnectAttempts: 3 });
  await world.connect(client);
  world.online = false;
  // Attempts without a network do not count.
  for (let n = 0; n < 8; n++) {
    await world.socket.end();
    await world.clock.advance(30_000);
  }
  assert.equal(client.status, "reconnecting");
  await world.socket.end();
  const before = world.sockets.length;
  world.online = true;
  world.events.fire("online");
  await settle();
  assert.equal(world.sockets.length, before + 1);
  // And it begins to count anew.
  for (let n = 0; n < 5; n++) {
    await world.socket.end();
    world.events.fire("online");
    await settle();
  }
  assert.equal(client.status, "reconnecting");
});

test("the client comes back when the page is shown, but not too often", async (t) => {
  const world = new World(t);
  makePage(t, world);
  await world.connect(world.client());
  // Up to now it waits for seconds.
  for (let n = 0; n < 5; n++) {
    await world.socket.end();
    if (n < 4) await world.clock.advance(30_000);
  }
  await world.clock.advance(1000);
  const before = world.sockets.length;
  world.events.fire("visibilitychange");
  await settle();
  assert.equal(world.sockets.length, before + 1);
  await world.socket.end();
  for (let n = 0; n < 5; n++) world.events.fire("visibilitychange");
  await world.clock.advance(999);
  assert.equal(world.sockets.length, before + 1);
  await world.clock.advance(1);
  assert.equal(world.sockets.length, before + 2);
});

test("the daemon's delay counts, also when the page is shown", async (t) => {
  const world = new World(t);
  makePage(t, world);
  await world.connect(world.client());
  await world.socket.end(1001, "restarting; reconnect in 5000 ms");
  for (const what of ["visibilitychange", "online"]) world.events.fire(what);
  await world.clock.advance(4999);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
});

test("the client asks about some of the openings that fail", async (t) => {
  const world = new World(t);
  world.answer = { status: 503, body: { error: "overloaded", message: "No.", retryAfter: 7000 } };
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delays.push(delay));
  client.connect();
  for (let n = 0; n < 9; n++) {
    await settle();
    await world.socket.end();
    await world.clock.advance(delays.at(-1));
  }
  assert.equal(world.requests.length, 3);
  // For how long it wants to be left alone is known of those only.
  assert.deepEqual(delays.slice(1).map((delay) => delay === 7000), [
    true, false, false, true, false, false, true, false, false,
  ]);
  assert.deepEqual(world.codes, ["overloaded"]);
  // Another token is another story.
  client.setToken("new");
  await world.socket.end();
  assert.equal(world.requests.length, 4);
});
