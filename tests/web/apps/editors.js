/**
 * Editors of shared documents, with random edits, cuts of the network and restarts of the daemon.
 *
 *     node editors.js URL,... EDITS RESTARTS SEED...
 *
 * Every seed is a document with five editors. All documents are edited at the same time. The program
 * writes `restart` when the daemon is to be restarted, and reads a line when it was. In the end all
 * editors and a newcomer must have the same document. The program prints `SEED ok`, with the sizes of
 * the document, or `SEED` and the failure.
 */

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { RealtimeClient } from "aerostack-rt";
import { YjsProvider } from "aerostack-rt/yjs";
import { WebSocket } from "ws";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

import { makeRandom } from "./random.js";

const [urls, edits, restarts, ...seeds] = process.argv.slice(2);
const EDITORS = 5;
// A slow disk needs minutes.
const PATIENCE = 480_000;
const LETTERS = "abcdefghijklmnopqrstuvwxyz  \n";

/** A network that can be cut, for one client. */
class Network {
  isDown = false;
  #sockets = new Set();

  constructor() {
    const network = this;
    this.WebSocket = class extends WebSocket {
      constructor(url, protocols) {
        // Nothing listens on port 1.
        super(network.isDown ? "ws://127.0.0.1:1" : url, protocols);
        network.#sockets.add(this);
        this.on("close", () => network.#sockets.delete(this));
        this.on("error", () => {});
      }
    };
    this.fetch = (url, init) => {
      if (this.isDown) return Promise.reject(new TypeError("The network is down."));
      return fetch(url, init);
    };
  }

  cut() {
    for (const socket of this.#sockets) socket.terminate();
  }
}

class Editor {
  constructor(run, doc = new Y.Doc()) {
    this.run = run;
    this.doc = doc;
    this.text = doc.getText("text");
    this.network = new Network();
    this.client = new RealtimeClient({
      baseUrl: run.pick(urls.split(",")),
      projectId: "p",
      apiKey: "pk_0123456789abcdef",
      WebSocket: this.network.WebSocket,
      fetch: this.network.fetch,
      reconnectDelay: 20,
      maxReconnectDelay: 400,
      onError: () => {},
    });
    this.awareness = new Awareness(doc);
    this.awareness.setLocalStateField("user", { name: `editor ${doc.clientID}` });
    const partSize = run.chance(0.3) ? 256 : undefined;
    this.provider = new YjsProvider(this.client, run.topic, doc, {
      awareness: this.awareness,
      partSize,
    });
  }

  edit() {
    const { run, text } = this;
    const at = run.below(text.length + 1);
    if (run.chance(0.3) && text.length) {
      text.delete(Math.min(at, text.length - 1), 1 + run.below(Math.min(8, text.length - at || 1)));
    } else if (run.chance(0.02)) {
      text.insert(at, run.words(2000 + run.below(6000)));
    } else {
      text.insert(at, run.words(1 + run.below(12)));
    }
    this.awareness.setLocalStateField("cursor", { at });
  }

  end() {
    this.provider.destroy();
    this.awareness.destroy();
    this.client.disconnect();
  }
}

class Run {
  failures = [];

  constructor(seed) {
    this.seed = seed;
    this.topic = `doc/run-${seed}`;
    this.random = makeRandom(Number(seed));
    this.editors = Array.from({ length: EDITORS }, () => new Editor(this));
  }

  chance(part) {
    return this.random() < part;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  below(number) {
    return Math.floor(this.random() * number);
  }

  words(length) {
    return Array.from({ length }, () => LETTERS[this.below(LETTERS.length)]).join("");
  }

  async act() {
    const at = this.below(EDITORS);
    const editor = this.editors[at];
    if (this.chance(0.8)) editor.edit();
    else if (this.chance(0.4)) editor.network.cut();
    else if (this.chance(0.5)) {
      editor.network.isDown = !editor.network.isDown;
      editor.network.cut();
    } else if (editor.provider.isSaved) {
      // The page is loaded again; some pages keep the document themselves.
      editor.end();
      this.editors[at] = new Editor(this, this.chance(0.5) ? copy(editor.doc) : undefined);
    }
    await sleep(this.random() * 30);
  }

  async edit() {
    for (let done = 0; done < Number(edits); done++) await this.act();
    for (const { network } of this.editors) network.isDown = false;
  }

  /** Wait until all editors have the same document, and compare a newcomer's. */
  async settle() {
    await until(() => this.isSame, () => this.describe());
    const newcomer = new Editor(this);
    this.editors.push(newcomer);
    await until(() => this.isSame, () => this.describe());
    await until(
      () => this.editors.every(({ awareness }) => awareness.getStates().size === this.editors.length),
      () => `cursors: ${this.editors.map(({ awareness }) => awareness.getStates().size)}`,
    );
    await newcomer.provider.compact();
    const kept = await newcomer.client.channel(this.topic).getHistory(500);
    const stored = kept.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
    const size = Y.encodeStateAsUpdate(newcomer.doc).length;
    for (const editor of this.editors) editor.end();
    return `${size} ${stored}`;
  }

  get isSame() {
    const [first, ...others] = this.editors;
    if (!this.editors.every(({ provider }) => provider.isLoaded && provider.isSaved)) return false;
    const wanted = Y.snapshot(first.doc);
    return others.every(
      ({ doc, text }) =>
        Y.equalSnapshots(Y.snapshot(doc), wanted) && text.toString() === first.text.toString(),
    );
  }

  describe() {
    const states = this.editors.map(
      ({ provider, client, text }) =>
        `${client.status} loaded ${provider.isLoaded} saved ${provider.isSaved} ` +
        `${text.length} characters ${provider.error ?? ""}`,
    );
    return states.join("; ");
  }
}

function copy(doc) {
  const made = new Y.Doc();
  Y.applyUpdate(made, Y.encodeStateAsUpdate(doc));
  return made;
}

async function until(holds, describe) {
  const began = performance.now();
  while (!holds()) {
    if (performance.now() - began > PATIENCE) throw new Error(describe());
    await sleep(20);
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const runs = seeds.map((seed) => new Run(seed));
const edited = Promise.all(runs.map((run) => run.edit()));
for (let restart = 0; restart < Number(restarts); restart++) {
  await sleep(300 + Number(edits) * 4);
  console.log("restart");
  await lines.next();
}
await edited;
await Promise.all(
  runs.map(async (run) => {
    try {
      console.log(`${run.seed} ok ${await run.settle()}`);
    } catch (error) {
      console.log(`${run.seed} ${error.stack}`);
    }
  }),
);
process.exit(0);
