/**
 * A document of many edits, which nobody has replaced by a snapshot yet.
 *
 *     node opening.js URL EDITS
 *
 * The program publishes the edits one by one, opens the document, lets the provider make a snapshot,
 * and opens the document again. It prints what it saw as JSON; times are in milliseconds, sizes in
 * bytes.
 */

import { setTimeout as sleep } from "node:timers/promises";

import { RealtimeClient } from "aerostack-rt";
import { YjsProvider } from "aerostack-rt/yjs";
import { WebSocket } from "ws";
import * as Y from "yjs";

const [baseUrl, edits] = process.argv.slice(2);
const TOPIC = "doc/opening";

function connect() {
  return new RealtimeClient({ baseUrl, projectId: "p", apiKey: "pk_0123456789abcdef", WebSocket });
}

/** Publish the edits of a document: words at random places, and some deletions. */
async function write(doc) {
  const client = connect();
  const channel = client.channel(TOPIC);
  const text = doc.getText("text");
  const sent = new Set();
  doc.on("update", (update) => {
    const data = Buffer.from(update).toString("base64");
    const published = channel.publish("update", data, { persist: true });
    sent.add(published);
    void published.then(() => sent.delete(published));
  });
  let state = 1;
  const below = (number) => (state = (state * 48271) % 2147483647) % number;
  for (let edit = 0; edit < Number(edits); edit++) {
    if (edit % 5 === 4) text.delete(below(text.length), 1);
    else text.insert(below(text.length + 1), "word ".slice(0, 1 + below(5)));
    while (sent.size > 200) await sleep(1);
  }
  await Promise.all(sent);
  client.disconnect();
}

/** Open the document; give the time that it took. */
async function open(options) {
  const client = connect();
  await client.connect();
  const doc = new Y.Doc();
  const began = performance.now();
  const provider = new YjsProvider(client, TOPIC, doc, options);
  await provider.whenLoaded;
  return { client, doc, provider, took: Math.round(performance.now() - began) };
}

async function readStored(client) {
  let stored = 0;
  let messages = 0;
  let before;
  for (;;) {
    const page = await client.channel(TOPIC).getHistory(500, before);
    if (!page.length) return { stored, messages };
    for (const { data, created_at } of page) {
      stored += JSON.stringify(data).length;
      messages += 1;
      before = created_at;
    }
  }
}

const written = new Y.Doc();
await write(written);
const first = await open({ compact: false });
const before = await readStored(first.client);
await first.provider.compact();
const after = await readStored(first.client);
const second = await open({});
const wanted = Y.snapshot(written);
const same = [first, second].every(({ doc }) => Y.equalSnapshots(Y.snapshot(doc), wanted));
console.log(
  JSON.stringify({
    edits: Number(edits),
    same,
    size: Y.encodeStateAsUpdate(written).length,
    messages: before.messages,
    storedBefore: before.stored,
    openedBefore: first.took,
    stored: after.stored,
    opened: second.took,
  }),
);
process.exit(0);
