/**
 * The connection: its options, its opening, its status and its errors.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { RealtimeClient } from "../../../aerostack/web/client/realtime.js";
import { World, change, collector, credentials, event, settle, subscribed } from "./fakes.js";

test("the opening has the credentials in its subprotocols", async (t) => {
  const world = new World(t);
  await world.connect(world.client({ baseUrl: "https://rt.test/v1/", userId: "ann b" }));
  assert.equal(world.socket.url, "wss://rt.test/api/realtime?projectId=p&userId=ann+b");
  assert.deepEqual(credentials(world.socket), []);
  await world.connect(
    world.client({ baseUrl: undefined, serverUrl: "ws://rt.test/sub/", apiKey: "pk", token: "a.b.c" }),
  );
  assert.equal(world.socket.url, "ws://rt.test/sub/api/realtime?projectId=p");
  assert.deepEqual(credentials(world.socket), ["aerostack-key.pk", "aerostack-token.a.b.c"]);
});

test("without a baseUrl the client connects to the origin of the page", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "location", { origin: "https://app.test" });
  await world.connect(world.client({ baseUrl: undefined }));
  assert.equal(world.socket.url, "wss://app.test/api/realtime?projectId=p");
});

test("wrong options throw an error that names them", (t) => {
  const world = new World(t);
  for (const baseUrl of [undefined, "", "rt.test", "ftp://rt.test", "null"]) {
    assert.throws(() => world.client({ baseUrl }), { name: "RealtimeError", code: "invalid_url" });
  }
  for (const projectId of [undefined, "", 1]) {
    assert.throws(() => world.client({ projectId }), { code: "no_project" });
  }
  assert.throws(() => world.client({ onError: "x" }), TypeError);
  assert.throws(() => new RealtimeClient(), { code: "invalid_url" });
});

test("each change of the status calls the callbacks that were not taken back", async (t) => {
  const world = new World(t);
  const client = world.client();
  const first = collector();
  const second = collector();
  const end = client.onStatusChange((status) => first(status));
  client.onStatusChange((status) => second(status));
  assert.equal(client.status, "idle");
  await world.connect(client);
  assert.equal(client.connected, true);
  end();
  await world.socket.end(1006);
  await world.comeBack();
  client.disconnect();
  client.disconnect();
  assert.deepEqual(first.got, ["connecting", "connected"]);
  assert.deepEqual(second.got, [
    "connecting", "connected", "reconnecting", "connected", "disconnected",
  ]);
});

test("several calls of connect() open one connection", async (t) => {
  const world = new World(t);
  const client = world.client();
  const both = Promise.all([client.connect(), client.connect()]);
  await settle();
  await world.socket.open();
  await both;
  await client.connect();
  assert.equal(world.sockets.length, 1);
});

test("disconnect() right after connect() opens nothing", async (t) => {
  const world = new World(t);
  const client = world.client();
  const opening = client.connect();
  client.disconnect();
  await assert.rejects(opening, { code: "disconnected" });
  await settle();
  assert.equal(world.sockets.length, 0);
  client.connect();
  client.disconnect();
  client.connect();
  await settle();
  assert.equal(world.sockets.length, 1);
});

test("a callback may disconnect and connect", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("chat/x").subscribe();
  const statuses = collector();
  let again;
  client.onStatusChange((status) => {
    statuses(status);
    if (status === "disconnected") again = client.connect();
  });
  await settle();
  channel.onStateChange(() => client.disconnect());
  await world.socket.open();
  await world.socket.say({ type: "subscribed", topic: channel.topic, pos: "1" });
  channel.unsubscribe();
  await world.socket.open();
  await again;
  assert.deepEqual(statuses.got, ["connected", "disconnected", "connecting", "connected"]);
  world.socket.onclose({ code: 1006 });
  client.disconnect();
  await settle();
  await world.socket.open();
  await again;
});

test("disconnect() leaves no timers and listeners behind", async (t) => {
  const world = new World(t);
  const { client, socket } = await subscribed(world);
  await socket.end();
  await world.comeBack();
  client.disconnect();
  assert.equal(world.socket.isClosed, true);
  assert.equal(world.clock.pending, 0);
  assert.deepEqual(world.events.listeners, []);
  await world.clock.advance(1_000_000);
  assert.equal(world.sockets.length, 2);
  assert.equal(client.status, "disconnected");
});

test("a frame that cannot be read is reported once, and the next frame is received", async (t) => {
  for (const [nonsense, topic, pos] of [
    ["<html>"], [""], ["null"], ["[]"], ["7"], ["{}"], ['{"type": 7}'], ['{"type": "db_change"}'],
    ['{"type":"event","topic":"chat/x/p","event":"e","data":1e', "chat/x/p"],
    ['{"type": "event", "topic": "chat/x/p", "pos": "2"}', "chat/x/p", "2"],
    ['{"type": "event", "topic": "chat/x/p", "event": "presence:sync", "data": null}', "chat/x/p"],
    ['{"type": "snapshot", "topic": "chat/x/p", "rows": [null], "pos": "2"}', "chat/x/p", "2"],
    [new ArrayBuffer(4)],
  ]) {
    const world = new World(t);
    const { client, channel, socket } = await subscribed(world);
    const seen = collector();
    channel.on("*", seen);
    await socket.sayText(nonsense);
    await socket.sayText(nonsense);
    assert.equal(client.status, "connected", nonsense);
    assert.deepEqual(world.codes, ["invalid_frame"], nonsense);
    assert.equal(world.errors[0].topic, topic);
    assert.match(world.errors[0].message, /^http:\/\/rt\.test sent a frame that cannot be read/);
    await socket.say(event(channel.topic, "e", 1));
    assert.equal(seen.got.length, 1);
    await socket.end();
    await world.comeBack();
    assert.equal(world.socket.take()[0].since, pos ?? "1");
    client.disconnect();
  }
});

test("a frame of a newer daemon is not reported", async (t) => {
  const world = new World(t);
  const { client } = await subscribed(world);
  await world.socket.say({ type: "weather", topic: "chat/x/p" }, { type: "ack", id: "whose" });
  await world.socket.say({ type: "event", topic: "nobody/p", event: "e", data: 1 });
  assert.equal(client.status, "connected");
  assert.deepEqual(world.errors, []);
});

test("the client finds out why an opening was refused", async (t) => {
  const refusal = (status, error, more) => ({ status, body: { error, message: "No.", ...more } });
  for (const [answer, code] of [
    [refusal(401, "unauthorized"), "unauthorized"],
    [refusal(404, "unknown_project"), "unknown_project"],
    [refusal(403, "origin_not_allowed"), "origin_not_allowed"],
    [refusal(429, "too_many_connections"), "too_many_connections"],
    [refusal(404, "not_found"), "refused"],
    [{ status: 200, body: { opens: true } }, "refused"],
    [{ status: 404, body: undefined }, "wrong_server"],
    [{ status: 200, body: undefined }, "wrong_server"],
    [new TypeError("failed to fetch"), "unreachable"],
  ]) {
    const world = new World(t);
    world.answer = answer;
    const client = world.client({ apiKey: "pk", userId: "ann" });
    const opening = client.connect();
    await settle();
    await world.socket.end();
    await assert.rejects(opening, { code });
    assert.match(world.requests[0].url, /\/api\/realtime\/check\?projectId=p&userId=ann$/);
    assert.equal(world.requests[0].headers["X-Aerostack-Key"], "pk");
    assert.equal(client.status, "reconnecting");
    // Said once, as long as it stays like that.
    await world.clock.advance(1000);
    await world.socket.end();
    assert.deepEqual(world.codes, [code]);
    client.disconnect();
  }
});

test("the error for a request that a page could not send says what may keep it back", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "location", { origin: "https://app.test" });
  world.answer = new TypeError("failed to fetch");
  world.client().connect();
  await settle();
  await world.socket.end();
  assert.match(world.errors[0].message, /mixed content, or the page's CSP/);
});

test("a fault of the client is reported, and the connection stays", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const seen = collector();
  channel.on("e", seen);
  t.mock.method(channel, "_notify", () => {
    throw new Error("mine");
  }, { times: 1 });
  await socket.say(event(topic, "e", 1, { pos: "2" }), event(topic, "e", 2, { pos: "3" }));
  assert.deepEqual(world.codes, ["client_failed"]);
  assert.match(world.errors[0].cause.message, /mine/);
  assert.deepEqual(seen.got.map(({ data }) => data), [2]);
  assert.equal(client.status, "connected");
});

test("each client has a secret of its own, the same at each opening", async (t) => {
  const world = new World(t);
  const sessions = [];
  for (let n = 0; n < 2; n++) {
    await world.connect(world.client());
    sessions.push(world.socket.protocols.at(-2));
    await world.socket.end();
    await world.comeBack();
    assert.equal(world.socket.protocols.at(-2), sessions[n]);
  }
  assert.notEqual(sessions[0], sessions[1]);
  assert.ok(!world.socket.url.includes(sessions[1].split(".")[1]));
});

test("without a WebSocket class the error says what to do, once", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "WebSocket", undefined);
  const client = world.client({ WebSocket: undefined });
  await assert.rejects(client.connect(), { code: "no_websocket", message: /npm install ws/ });
  assert.equal(client.status, "disconnected");
  assert.deepEqual(world.codes, ["no_websocket"]);
  await assert.rejects(client.channel("chat/x").publish("e"), { code: "disconnected" });
});

test("the client uses the WebSocket class of the page", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "WebSocket", world.WebSocket);
  await world.connect(world.client({ WebSocket: undefined }));
  assert.equal(world.sockets.length, 1);
});

test("a WebSocket that the page must not open is reported, and not tried again", async (t) => {
  const world = new World(t);
  const client = world.client({
    WebSocket: class {
      constructor() {
        throw new SyntaxError("the subprotocol is invalid");
      }
    },
  });
  await assert.rejects(client.connect(), { code: "cannot_open", message: /subprotocol is invalid/ });
  assert.deepEqual(world.codes, ["cannot_open"]);
  assert.equal(client.status, "disconnected");
  assert.equal(world.clock.pending, 0);
});

test("without a callback errors go to the console, and so do errors of the error callback", async (t) => {
  const world = new World(t);
  const log = t.mock.method(console, "error", () => {});
  const client = world.client({ onError: undefined });
  await world.connect(client);
  await world.socket.sayText("nonsense");
  assert.match(log.mock.calls[0].arguments[0], /^aerostack: invalid_frame: http:\/\/rt\.test/);
  const broken = world.client({
    onError: () => {
      throw new Error("mine");
    },
  });
  await world.connect(broken);
  await world.socket.sayText("nonsense");
  assert.match(String(log.mock.calls[1].arguments[0]), /mine/);
  assert.equal(broken.status, "connected");
});
