/**
 * Tokens that expire, and tokens that the application sets.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, collector, credentials, expire, settle, subscribed } from "./fakes.js";

test("a token that expires is renewed, and the client connects again", async (t) => {
  const world = new World(t);
  let renewals = 0;
  const codes = [];
  const { client, topic } = await subscribed(world, "chat/x", {
    client: {
      token: "old",
      onTokenExpired: async ({ code }) => {
        codes.push(code);
        return `new${++renewals}`;
      },
    },
  });
  await world.clock.advance(5000);
  await expire(world.socket);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new1"]);
  await world.socket.open();
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "1" }]);
  // If that one is refused as well, time passes in between.
  await expire(world.socket, "invalid_token");
  assert.equal(world.sockets.length, 2);
  assert.equal(renewals, 2);
  await world.comeBack(1000);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new2"]);
  assert.deepEqual(codes, ["token_expired", "invalid_token"]);
  assert.deepEqual(world.errors, []);
  assert.equal(client.status, "connected");
});

test("a token that expired while the client was away is renewed", async (t) => {
  const world = new World(t);
  world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
  const client = world.client({ token: "old" });
  const asked = collector();
  client.onTokenExpired((error) => {
    asked(error.code);
    client.setToken("new");
  });
  const opening = client.connect();
  await settle();
  await world.socket.end();
  assert.deepEqual(asked.got, ["token_expired"]);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
  await world.socket.open();
  await opening;
  assert.deepEqual(world.errors, []);
});

test("without a new token the client waits for one, and reports that", async (t) => {
  for (const onTokenExpired of [undefined, () => null, () => "old"]) {
    const world = new World(t);
    const client = world.client({ token: "old", onTokenExpired });
    await world.connect(client);
    const kept = client.channel("chat/x").publish("e");
    await expire(world.socket);
    await world.clock.advance(1_000_000);
    assert.equal(world.sockets.length, 1);
    assert.equal(client.status, "disconnected");
    assert.match(world.errors[0].message, /^The token expired\. Call setToken\(\)/);
    client.setToken("new");
    await settle();
    assert.equal(client.status, "reconnecting");
    await world.socket.open();
    await world.socket.say({ type: "ack", id: world.socket.take()[0].id });
    await kept;
    client.disconnect();
  }
});

test("a callback that cannot get a token is called again", async (t) => {
  const world = new World(t);
  let fails = 1;
  const client = world.client({
    token: "old",
    onTokenExpired: () => {
      if (fails--) throw new Error("no network");
      return "new";
    },
  });
  await world.connect(client);
  await world.clock.advance(5000);
  await expire(world.socket);
  assert.deepEqual(world.codes, ["token_failed"]);
  assert.equal(client.status, "reconnecting");
  world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
  await world.clock.advance(1000);
  await world.socket.end();
  await world.comeBack(10_000);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
});

test("setToken() counts while a callback is asked for a token", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old", onTokenExpired: () => new Promise(() => {}) });
  await world.connect(client);
  await expire(world.socket);
  assert.equal(client.status, "reconnecting");
  client.setToken("new");
  await settle();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
});

test("connect() without a token does not try without end", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  client.onStatusChange((status) => status === "disconnected" && client.connect());
  await world.connect(client);
  for (let n = 0; n < 6; n++) {
    await expire(world.socket);
    await world.clock.advance(0);
    await world.socket.onopen?.({});
  }
  assert.ok(world.sockets.length <= 2, world.sockets.length);
});

test("a new token goes out on the open connection", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  await world.connect(client);
  client.setToken("new");
  assert.deepEqual(world.socket.take(), [{ type: "auth", token: "new" }]);
  client.setToken(null);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(credentials(world.socket), []);
});

test("a token that is set during an opening goes out on the new connection", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  client.channel("chat/x").subscribe();
  await settle();
  client.setToken("new");
  await world.socket.open();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.old"]);
  assert.deepEqual(world.socket.take().map(({ type, token }) => token ?? type), [
    "new", "subscribe",
  ]);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["subscribe"]);
});

test("the end of an old token does not matter with a new one", async (t) => {
  // It was set while the connection was opened, that failed or that was let in; or later on.
  for (const when of ["failed", "opening", "open"]) {
    const world = new World(t);
    world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
    const asked = collector();
    const client = world.client({ token: "old", onTokenExpired: () => asked("asked") });
    client.connect();
    await settle();
    if (when === "open") await world.socket.open();
    client.setToken("new");
    if (when === "failed") {
      await world.socket.end();
    } else {
      if (when === "opening") await world.socket.open();
      await expire(world.socket);
    }
    await world.clock.advance(1000);
    assert.equal(world.sockets.length, 2, when);
    assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
    await world.socket.open();
    assert.equal(client.status, "connected");
    assert.deepEqual([asked.got, world.errors], [[], []]);
    // And the end of that one is one.
    await expire(world.socket);
    assert.deepEqual(asked.got, ["asked"]);
    client.disconnect();
  }
});

test("a client with a revoked token waits for a new one, and reports the reason", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  await world.connect(client);
  const message = "The token was revoked (stolen); get a new one.";
  await world.socket.say({ type: "error", code: "token_revoked", message });
  await world.socket.end(4001, "token_revoked");
  await world.clock.advance(1_000_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(client.status, "disconnected");
  assert.deepEqual(world.codes, ["token_revoked"]);
  assert.match(world.errors[0].message, /\(stolen\).*Call setToken\(\)/);
  client.setToken("new");
  await settle();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
});

test("a token that was revoked while the client was away is renewed", async (t) => {
  const world = new World(t);
  world.answer = { status: 401, body: { error: "token_revoked", message: "It was revoked." } };
  const client = world.client({ token: "old" });
  const asked = collector();
  client.onTokenExpired((error) => {
    asked(error.code);
    return "new";
  });
  const opening = client.connect();
  await settle();
  await world.socket.end();
  assert.deepEqual(asked.got, ["token_revoked"]);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
  await world.socket.open();
  await opening;
});

test("a disconnected client learns the reason, and comes back with the same token", async (t) => {
  for (const code of [4010, 4242]) {
    const world = new World(t);
    const client = world.client({ token: "old" });
    await world.connect(client);
    const told = collector();
    client.onStatusChange((status, { error }) => told([status, error?.closeCode, error?.message]));
    await world.socket.end(code, "spam");
    assert.deepEqual(told.got, [
      ["reconnecting", code, `The connection was closed with ${code} (spam).`],
    ]);
    await world.comeBack(1000);
    assert.deepEqual(credentials(world.socket), ["aerostack-token.old"]);
    assert.deepEqual(world.errors, []);
    client.disconnect();
  }
});
