// Node's ws, as its README broadcasts: a loop of send over those who want it.
// A text that begins with s subscribes to the topic that follows; one that begins
// with p publishes on the topic in its first line what stands behind that line.

const { createServer } = require("node:http");
const https = require("node:https");
const { readFileSync } = require("node:fs");
const { WebSocketServer, WebSocket } = require("ws");

const [port, key, cert] = process.argv.slice(2);
const server = key
  ? https.createServer({ key: readFileSync(key), cert: readFileSync(cert) })
  : createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
const topics = new Map();

sockets.on("connection", (socket) => {
  const mine = [];
  socket.on("error", () => socket.terminate());
  socket.on("close", () => mine.forEach((topic) => topics.get(topic).delete(socket)));
  socket.on("message", (message) => {
    if (message[0] === 0x73) {
      const topic = message.toString("utf8", 1);
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(socket);
      mine.push(topic);
      socket.send("s");
      return;
    }
    const line = message.indexOf(0x0a);
    const data = message.subarray(line + 1);
    for (const each of topics.get(message.toString("utf8", 1, line)) ?? []) {
      if (each.readyState === WebSocket.OPEN) each.send(data, { binary: false });
    }
  });
});
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
