/**
 * Servers that are none of ours, over a real network: whatever they do, the client says what is
 * wrong, tries again now and then, and the application goes on.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHTTP } from "node:http";
import { createServer } from "node:net";
import { test } from "node:test";

import { WebSocket, WebSocketServer } from "ws";

import { RealtimeClient } from "../../../aerostack/web/client/realtime.js";

const IMPATIENT = { pingInterval: 50, pongTimeout: 100 };

/** Listen, until the test ends. */
async function listen(t, server) {
  const sockets = new Set();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

/** A WebSocket server that does something with each connection. */
async function serveSockets(t, behave) {
  const http = createHTTP((request, response) => response.writeHead(404).end());
  const server = new WebSocketServer({ server: http });
  server.on("connection", behave);
  return listen(t, http);
}

/** Use a server until it was tried as often as this; give what the application was told. */
async function attempts(t, port, count, options = {}) {
  const errors = [];
  const client = new RealtimeClient({
    baseUrl: `http://127.0.0.1:${port}`,
    projectId: "p",
    reconnectDelay: 20,
    maxReconnectDelay: 50,
    onError: (error) => errors.push(error),
    ...options,
    WebSocket: class extends WebSocket {
      constructor(...args) {
        super(...args);
        if (--count === 0) enough();
      }
    },
  });
  let enough;
  const tried = new Promise((resolve) => (enough = resolve));
  t.after(() => client.disconnect());
  client.channel("chat/x").subscribe();
  await tried;
  assert.notEqual(client.status, "idle");
  client.disconnect();
  return errors.filter((error) => error.code !== "disconnected").map((error) => error.code);
}

test("a port without a server", async (t) => {
  const server = createServer();
  const port = await listen(t, server);
  server.close();
  await once(server, "close");
  assert.deepEqual(await attempts(t, port, 3), ["unreachable"]);
});

test("a server that never answers", async (t) => {
  const port = await listen(t, createServer());
  assert.deepEqual(await attempts(t, port, 3, { connectTimeout: 200 }), ["no_answer"]);
});

test("a server that closes at once", async (t) => {
  const port = await listen(t, createServer((socket) => socket.destroy()));
  assert.deepEqual(await attempts(t, port, 5), ["unreachable"]);
});

test("a server that speaks HTTP, and no WebSocket", async (t) => {
  const port = await listen(t, createHTTP((request, response) => response.end("<html>")));
  assert.deepEqual(await attempts(t, port, 3), ["wrong_server"]);
});

test("a server that speaks no HTTP", async (t) => {
  const port = await listen(t, createServer((socket) => socket.end("220 mail ESMTP\r\n")));
  assert.deepEqual(await attempts(t, port, 3), ["unreachable"]);
});

test("a WebSocket that is closed as soon as it is open", async (t) => {
  const port = await serveSockets(t, (socket) => socket.close(1011, "no"));
  assert.deepEqual(await attempts(t, port, 4), []);
});

test("a WebSocket that sends other texts", async (t) => {
  const port = await serveSockets(t, (socket) => socket.send("hello"));
  assert.deepEqual(await attempts(t, port, 3, IMPATIENT), ["invalid_frame", "no_answer"]);
});

test("a WebSocket that sends bytes", async (t) => {
  const port = await serveSockets(t, (socket) => socket.send(Buffer.from([1, 2, 3])));
  assert.deepEqual(await attempts(t, port, 3, IMPATIENT), ["invalid_frame", "no_answer"]);
});

test("a WebSocket that echoes", async (t) => {
  const port = await serveSockets(t, (socket) => {
    socket.on("message", (data) => socket.send(String(data)));
  });
  assert.deepEqual(await attempts(t, port, 3, IMPATIENT), ["no_answer"]);
});

test("a WebSocket that is silent", async (t) => {
  const port = await serveSockets(t, () => {});
  assert.deepEqual(await attempts(t, port, 3, IMPATIENT), ["no_answer"]);
});
