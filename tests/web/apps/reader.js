/**
 * A user who may read a document, and not write it.
 *
 *     node reader.js URL SECRET
 *
 * The program writes as a user who may write, opens the document as the reader, and edits it there. It
 * prints what the reader has, as JSON.
 */

import { createHmac } from "node:crypto";

import { RealtimeClient } from "aerostack-rt";
import { YjsProvider } from "aerostack-rt/yjs";
import { WebSocket } from "ws";
import * as Y from "yjs";

const [baseUrl, secret] = process.argv.slice(2);
let published = 0;

class CountingSocket extends WebSocket {
  send(text, ...more) {
    if (JSON.parse(text).type === "publish") published += 1;
    super.send(text, ...more);
  }
}

function makeToken(claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const all = { sub: "ann", projectId: "p", exp: Math.floor(Date.now() / 1000) + 600, ...claims };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(all)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

function open(claims, socket) {
  const client = new RealtimeClient({
    baseUrl,
    projectId: "p",
    token: makeToken(claims),
    WebSocket: socket,
    onError: () => {},
  });
  return new YjsProvider(client, "doc/read", new Y.Doc());
}

const becomes = (provider, holds) =>
  new Promise((resolve) => {
    const end = provider.onChange(() => holds() && (end?.(), resolve()));
    if (holds()) resolve();
  });

const writer = open({}, WebSocket);
writer.doc.getText("text").insert(0, "hello");
await becomes(writer, () => writer.isSaved);

const reader = open({ topics: { subscribe: ["doc/*"], publish: [], presence: [] } }, CountingSocket);
await reader.whenLoaded;
const text = reader.doc.getText("text");
const loaded = text.toString();
text.insert(5, "!");
await becomes(reader, () => reader.error !== null);
// The next attempt is later: what the user writes until then makes no more.
const before = published;
for (let edit = 0; edit < 20; edit++) text.insert(0, "x");
await new Promise((resolve) => setImmediate(resolve));
const more = published - before;
writer.doc.getText("text").insert(0, "new ");
while (!text.toString().includes("new ")) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(
  JSON.stringify({ loaded, code: reader.error?.code, isSaved: reader.isSaved, before, more }),
);
process.exit(0);
