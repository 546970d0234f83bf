/**
 * The follower in Node.js: does what it reads, a command a line, and answers with what it saw.
 */

import { createInterface } from "node:readline";

import { RealtimeClient } from "aerostack-rt";

import "./follower.js";

const app = globalThis.follow(RealtimeClient, { baseUrl: process.argv[2] });
let answers = 0;
const input = createInterface({ input: process.stdin });
input.on("line", (command) => {
  if (command === "say") app.say();
  if (command === "stop") {
    // Nothing of the client keeps the process from ending then.
    app.realtime.disconnect();
    input.close();
    process.stdin.destroy();
  }
  const shown = { ...app, realtime: app.realtime.status, ready: app.ready() };
  console.log(`${JSON.stringify(shown)}#${++answers}`);
});
