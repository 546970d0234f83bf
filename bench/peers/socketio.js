// socket.io, over the WebSocket transport alone: a room for each topic.

const { createServer } = require("node:http");
const https = require("node:https");
const { readFileSync } = require("node:fs");
const { Server } = require("socket.io");

const [port, key, cert] = process.argv.slice(2);
const server = key
  ? https.createServer({ key: readFileSync(key), cert: readFileSync(cert) })
  : createServer();
const io = new Server(server, { transports: ["websocket"], serveClient: false });

io.on("connection", (socket) => {
  socket.on("s", (topic, answer) => {
    socket.join(topic);
    answer();
  });
  socket.on("p", (topic, data) => io.to(topic).emit("e", data));
});
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
