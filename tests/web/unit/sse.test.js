/**
 * Server-sent events, where no WebSocket passes.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventSocket } from "../../../aerostack/web/client/eventsocket.js";
import { PONG, collector, event, settle } from "./fakes.js";
import { Daemon, bytes, connected, strip } from "./nosockets.js";

test("a client changes over at once when a WebSocket does not open and HTTP answers", async (t) => {
  const { world, daemon, client, transports, opening } = await connected(t, { apiKey: "pk" });
  await opening;
  assert.equal(world.clock.now, 0);
  assert.equal(client.status, "connected");
  assert.equal(client.transport, "sse");
  assert.deepEqual(transports.got, ["sse"]);
  assert.deepEqual(world.codes, []);
  const { url, method, headers } = daemon.opening;
  assert.equal(url, "http://rt.test/api/realtime/sse?projectId=p&ids=0&pongs=1");
  assert.equal(method, "POST");
  assert.equal(headers["X-Aerostack-Key"], "pk");
  assert.match(headers["X-Aerostack-Client"], /^[\w-]{32}$/);
});

test("a client changes over when a WebSocket takes long to open", async (t) => {
  const { world, daemon, client } = strip(t);
  client.connect();
  await settle();
  await world.clock.advance(1999);
  assert.equal(daemon.openings.length, 0);
  await world.clock.advance(1);
  await settle();
  await daemon.accept();
  assert.equal(client.transport, "sse");
  assert.ok(world.socket.isClosed);
});

test("a client changes over when WebSockets open and let nothing through", async (t) => {
  for (const isCut of [true, false]) {
    const { world, daemon, client } = strip(t);
    client.connect();
    for (let n = 0; n < 2; n++) {
      await settle();
      assert.equal(daemon.openings.length, 0);
      await world.socket.open();
      if (isCut) await world.socket.end();
      // The client asks for a sign of life, and gives it up.
      else await world.clock.advance(2000 + 10_000);
      assert.equal(client.status, "reconnecting");
      if (n === 0) await world.clock.advance(2000);
    }
    await settle();
    assert.equal(client.status, "reconnecting");
    await daemon.accept();
    assert.equal(client.status, "connected");
    assert.equal(client.transport, "sse", String(isCut));
    client.disconnect();
  }
});

test("a client that is disconnected when its mute WebSocket is lost stays so", async (t) => {
  const { world, daemon, client } = strip(t);
  client.connect();
  await settle();
  await world.socket.open();
  await world.socket.end();
  await world.clock.advance(2000);
  await world.socket.open();
  client.onStatusChange((status) => status === "reconnecting" && client.disconnect());
  await world.socket.end();
  await world.clock.advance(60_000);
  assert.equal(client.status, "disconnected");
  assert.deepEqual([daemon.openings.length, world.sockets.length], [0, 2]);
});

test("a client stays with WebSockets if one brings a frame, or the daemon closes it", async (t) => {
  const { world, daemon, client } = strip(t);
  client.connect();
  for (const [code, isHeard] of [
    [1006, false],
    [1012, false],
    [1006, false],
    [1006, true],
    [1006, false],
  ]) {
    await settle();
    await world.socket.open();
    if (isHeard) await world.socket.say({ type: "pong" });
    const { length } = world.sockets;
    await world.socket.end(code);
    while (world.sockets.length === length) await world.clock.advance(100);
  }
  assert.equal(daemon.openings.length, 0);
  assert.equal(client.transport, "websocket");
});

test("a client stays with WebSockets if they open, or if HTTP does not answer", async (t) => {
  const { world, daemon, client, transports } = strip(t);
  client.connect();
  await settle();
  await world.clock.advance(1500);
  await world.socket.open();
  await world.clock.advance(1000);
  assert.equal(client.transport, "websocket");
  daemon.check = Promise.reject(new Error("gone"));
  daemon.check.catch(() => {});
  await world.socket.end();
  for (let n = 0; n < 5; n++) {
    await world.clock.advance(30_000);
    await world.socket.end();
  }
  assert.equal(daemon.openings.length, 0);
  assert.deepEqual(transports.got, []);
});

test("frames go both ways, and those of one turn go together", async (t) => {
  const { daemon, client } = await connected(t);
  const got = collector();
  const channel = client.channel("chat/x").on("e", got).subscribe();
  client.channel("chat/y").subscribe();
  await settle();
  assert.equal(daemon.sent.length, 1);
  const { url, headers } = daemon.sent[0];
  assert.equal(url, "http://rt.test/api/realtime/send");
  assert.equal(headers["X-Aerostack-Session"], "c1.secret");
  assert.deepEqual(daemon.frames.map(({ topic }) => topic), ["chat/x/p", "chat/y/p"]);
  await daemon.say({ type: "subscribed", topic: "chat/x/p", pos: "1" });
  assert.equal(channel.state, "subscribed");
  // Bytes come in pieces of any size.
  const text = `id: 7\ndata: ${JSON.stringify(event("chat/x/p", "e", "ü"))}\n\n: ping\n\n`;
  for (const byte of bytes.encode(text)) daemon.opening.stream.enqueue(Uint8Array.of(byte));
  await daemon.write(":\n\n");
  assert.deepEqual(got.got.map(({ data }) => data), ["ü"]);
  // The ping was answered.
  assert.equal(daemon.sent.at(-1).body, "[]");
});

test("requests go one after the other, in order", async (t) => {
  const { daemon, client } = await connected(t);
  daemon.isHeld = true;
  for (const name of ["a", "b", "c"]) {
    client.channel(`chat/${name}`).subscribe();
    await settle();
  }
  assert.equal(daemon.sent.length, 1);
  daemon.isHeld = false;
  daemon.held.shift()();
  await settle();
  assert.equal(daemon.sent.length, 2);
  assert.deepEqual(daemon.frames.map(({ topic }) => topic), ["chat/a/p", "chat/b/p", "chat/c/p"]);
});

test("a connection that is lost is opened in the same way, and resumes", async (t) => {
  const { world, daemon, client } = await connected(t);
  client.channel("chat/x").subscribe();
  await settle();
  await daemon.say({ type: "subscribed", topic: "chat/x/p", pos: "4" });
  await daemon.end();
  assert.equal(client.status, "reconnecting");
  await world.clock.advance(500);
  assert.equal(world.sockets.length, 1);
  await daemon.accept();
  assert.equal(client.status, "connected");
  assert.equal(daemon.frames.at(-1).since, "4");
});

test("a request that does not reach the session ends the connection", async (t) => {
  for (const status of [404, 503, 429]) {
    const { daemon, client } = await connected(t);
    daemon.statuses = [status];
    client.channel("chat/x").subscribe();
    await settle();
    assert.equal(client.status, "reconnecting", status);
    assert.ok(daemon.opening.signal.aborted);
    client.disconnect();
  }
});

test("a close of the daemon counts as that of a WebSocket", async (t) => {
  const { world, daemon, client } = await connected(t);
  await daemon.say({ type: "close", code: 4029, reason: "frames come too fast" });
  assert.equal(client.status, "disconnected");
  assert.equal(world.errors[0].closeCode, 4029);
  const other = await connected(t);
  await other.daemon.say({ type: "reconnect", delay: 4711, reason: "restart" });
  await other.daemon.say({ type: "close", code: 1001, reason: "restarting" });
  await other.world.clock.advance(4710);
  assert.equal(other.daemon.openings.length, 1);
  await other.world.clock.advance(1);
  assert.equal(other.daemon.openings.length, 2);
});

test("a client that leaves says so", async (t) => {
  const { daemon, client } = await connected(t);
  client.channel("chat/x").subscribe();
  client.disconnect();
  await settle();
  assert.deepEqual(daemon.frames.map(({ type }) => type), ["subscribe", "close"]);
  assert.ok(daemon.opening.signal.aborted);
  // It does not wait for a daemon that is not there.
  const other = await connected(t);
  other.daemon.isHeld = true;
  other.client.disconnect();
  await settle();
  assert.ok(!other.daemon.opening.signal.aborted);
  await other.world.clock.advance(5000);
  assert.ok(other.daemon.opening.signal.aborted);
});

test("a page that goes says so, and one that is shown again comes back", async (t) => {
  const { world, daemon, client } = await connected(t);
  world.events.fire("pagehide");
  assert.equal(daemon.sent[0].keepalive, true);
  assert.deepEqual(daemon.frames, [{ type: "close", code: 1001 }]);
  await daemon.say({ type: "close", code: 1001, reason: "" });
  await world.clock.advance(500);
  await daemon.accept();
  assert.equal(client.status, "connected");
  client.disconnect();
  await settle();
  world.events.fire("pagehide");
  assert.equal(daemon.sent.length, 2);
});

test("after a refusal the client tries a WebSocket again; after a bad token it does not", async (t) => {
  const { world, daemon, client } = strip(t);
  const body = { error: "too_many_connections", message: "No.", retryAfter: 7000 };
  daemon.refusals = [{ status: 429, body }];
  client.connect().catch(() => {});
  await settle();
  await world.socket.end();
  await settle();
  assert.deepEqual(world.codes, ["too_many_connections"]);
  await world.clock.advance(7000);
  assert.equal(world.sockets.length, 2);
  await world.socket.open();
  assert.equal(client.transport, "websocket");

  const other = strip(t, { token: "old", onTokenExpired: () => "new" });
  other.daemon.refusals = [{ status: 401, body: { error: "token_expired", message: "No." } }];
  other.client.connect().catch(() => {});
  await settle();
  await other.world.socket.end();
  await settle();
  await settle();
  assert.equal(other.daemon.openings.length, 2);
  assert.equal(other.daemon.opening.headers.Authorization, "Bearer new");
});

test("later the client tries a WebSocket again", async (t) => {
  const { world, daemon, client, transports } = await connected(t);
  world.clock.now += 600_001;
  await daemon.say(PONG);
  await daemon.end();
  await world.comeBack();
  assert.equal(client.transport, "websocket");
  assert.deepEqual(transports.got, ["sse", "websocket"]);
});

test("an application can decide", async (t) => {
  const { world, daemon, client } = strip(t, { transport: "sse" });
  client.connect();
  await settle();
  await daemon.accept();
  assert.equal(client.status, "connected");
  assert.equal(world.sockets.length, 0);
  const other = strip(t, { transport: "websocket" });
  other.client.connect().catch(() => {});
  await settle();
  await other.world.socket.end();
  assert.deepEqual(other.world.codes, ["refused"]);
  assert.equal(other.daemon.openings.length, 0);
});

test("frames that are too large together go one by one; one that is too large ends it", async () => {
  const daemon = new Daemon();
  const socket = new EventSocket(daemon.fetch, "http://rt.test/api/realtime?a=b", {});
  const closes = collector();
  socket.onclose = closes;
  await settle();
  await daemon.accept();
  daemon.statuses = [413, 202, 413];
  socket.send("1");
  socket.send("2");
  await settle();
  assert.deepEqual(daemon.sent.map(({ body }) => body), ["[1,2]", "1", "2"]);
  assert.equal(closes.got[0].code, 1009);
  assert.match(closes.got[0].reason, /at most 9 bytes/);
  socket.send("3");
  await settle();
  assert.equal(daemon.sent.length, 3);
});

test("many frames, and large ones, go in several requests", async () => {
  const daemon = new Daemon();
  const socket = new EventSocket(daemon.fetch, "http://rt.test/api/realtime?a=b", {});
  await settle();
  await daemon.accept();
  for (let n = 0; n < 600; n++) socket.send("0");
  const large = JSON.stringify("x".repeat(80_000));
  for (let n = 0; n < 3; n++) socket.send(large);
  await settle();
  await settle();
  assert.deepEqual(
    daemon.sent.map(({ body }) => JSON.parse(body)).map((it) => (Array.isArray(it) ? it.length : 1)),
    [500, 101, 1, 1],
  );
});

test("a client stays with server-sent events while a proxy does not reach the daemon", async (t) => {
  const { world, daemon, client } = await connected(t);
  daemon.refusals = [{ status: 502 }];
  await daemon.end();
  await world.clock.advance(2000);
  assert.deepEqual(world.codes, ["unreachable"]);
  await world.clock.advance(5000);
  await daemon.accept();
  assert.equal(client.status, "connected");
  assert.equal(client.transport, "sse");
  assert.equal(world.sockets.length, 1);
});

test("an answer that is none of the daemon's is named", async (t) => {
  const { world, daemon, client } = strip(t, { transport: "sse" });
  daemon.refusals = [{ status: 404 }, new Error("no network")];
  client.connect().catch(() => {});
  await settle();
  await world.clock.advance(2000);
  assert.deepEqual(world.codes, ["wrong_server", "unreachable"]);
  await daemon.accept();
  assert.equal(client.status, "connected");
});
