/**
 * A Yjs document over a channel: `import { YjsProvider } from "aerostack-rt/yjs"`.
 *
 *     const provider = new YjsProvider(realtime, "doc/42", new Y.Doc(), { awareness });
 *
 * Updates are kept messages of the topic. A client that opens the document reads the history and then
 * gets what other clients write. From time to time a client replaces the messages by a snapshot.
 * `docmessages.js` knows the messages, `dochistory.js` reads them, and `docawareness.js` has the
 * cursors. `yjs.d.ts` describes each option and method.
 */

import * as Y from "yjs";

import { Callbacks, defer } from "./callbacks.js";
import { AwarenessLink } from "./docawareness.js";
import { readHistory } from "./dochistory.js";
import {
  Costs,
  DocumentMessages,
  SNAPSHOT,
  SPAN,
  UPDATE,
  decodeBytes,
  encodeBytes,
  makeMessages,
} from "./docmessages.js";

const PAGE = 500;
const PART = 131_072;
const SMALLEST_PART = 256;
// The client publishes at most once in this time, so that quick edits share a message, in
// milliseconds.
const PAUSE = 40;
const FIRST_RETRY = 500;
const LAST_RETRY = 30_000;
// A newcomer makes a snapshot if the updates are that many times worth it: then the client whose turn
// it was did not.
const OVERDUE = 3;

const report = (error) => console.error(error);

let count = 0;

/** Keeps a `Y.Doc` and the document of a topic the same. */
export class YjsProvider {
  #channel;
  #changes = new Callbacks();
  #loaded = defer();
  #link = null;
  #isDestroyed = false;
  #error = null;

  // Reading
  #isLoaded = false;
  #isLoading = false;
  #loadsAgain = false;
  #live = [];
  #messages = new DocumentMessages();
  #costs = new Costs();
  // The time of the newest message that is counted.
  #newest = 0;

  // Writing
  #queue = [];
  /** @type {Uint8Array | null} */
  #sending = null;
  /** What this client has under way: the data of whole messages, and the names of sets. */
  #own = new Set();
  #partSize;
  #isPausing = false;
  #isRefused = false;
  #isCompacting = false;
  // How many snapshots came.
  #snapshots = 0;
  #mayCompact;
  #retry = FIRST_RETRY;
  #timers = new Set();

  /**
   * @param {import("./realtime.js").RealtimeClient} client
   * @param {string} topic
   * @param {Y.Doc} doc
   * @param {Record<string, any>} options
   */
  constructor(client, topic, doc, { awareness, compact = true, partSize = PART } = {}) {
    this.doc = doc;
    this.awareness = awareness ?? null;
    this.#mayCompact = compact;
    this.#partSize = partSize;
    this.#channel = client.channel(topic, { shared: false });
    this.#channel
      .on(UPDATE, (frame) => this.#arrived(frame))
      .on(SNAPSHOT, (frame) => this.#arrived(frame));
    this.#channel.onGap(() => this.#load());
    this.#channel.onStateChange((state) => this.#stateChanged(state));
    if (awareness) this.#link = new AwarenessLink(this.#channel, awareness);
    doc.on("update", this.#edited);
    doc.on("destroy", this.#docDestroyed);
    this.#channel.subscribe();
  }

  get topic() {
    return this.#channel.topic;
  }

  get isLoaded() {
    return this.#isLoaded;
  }

  get isSaved() {
    return this.#isLoaded && this.#sending === null && this.#queue.length === 0;
  }

  get error() {
    return this.#error;
  }

  get whenLoaded() {
    return this.#loaded.promise;
  }

  onChange(callback) {
    return this.#changes.add(callback);
  }

  /** Replace the messages of the document by a snapshot. */
  async compact() {
    if (this.#isCompacting) return;
    this.#isCompacting = true;
    try {
      const before = this.#snapshots;
      const { kept, until } = await this.#read();
      const text = encodeBytes(Y.encodeStateAsUpdate(kept));
      kept.destroy();
      // Another client may be faster.
      const isWanted = () => this.#snapshots === before;
      if (until > 0) await this.#publish(SNAPSHOT, text, until, isWanted);
    } finally {
      this.#isCompacting = false;
    }
  }

  destroy() {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.doc.off("update", this.#edited);
    this.doc.off("destroy", this.#docDestroyed);
    this.#link?.destroy();
    this.#channel.unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
    // What waits still goes out.
    if (this.#sending === null && this.#queue.length) void this.#send();
  }

  #docDestroyed = () => this.destroy();

  #stateChanged(state) {
    if (state === "refused") this.#fail(this.#channel.error);
    if (state !== "subscribed") return;
    this.#isRefused = false;
    if (!this.#isLoaded) this.#load();
    this.#goOn();
  }

  // Reading

  #arrived(frame) {
    if (this.#isLoading) this.#live.push(frame);
    this.#receive(frame);
  }

  /** Take a message; return the update that it completes, if it does. */
  #receive({ event, data, timestamp }) {
    const complete = this.#messages.take(event, data, timestamp);
    if (this.#isLoaded) this.#note(event, data, timestamp, complete);
    if (complete === null) return null;
    if (complete.isLate) {
      // All readers ignore it. What it says goes out again, if it is this client's.
      if (this.#own.delete(complete.set)) this.#load();
      return null;
    }
    const update = decodeBytes(complete.text);
    return update !== null && apply(this.doc, update, this) ? update : null;
  }

  /** Count a message, and make a snapshot if it was this client's message that made it worth it. */
  #note(event, data, time, complete) {
    if (time <= this.#newest) return;
    this.#newest = time;
    if (event === SNAPSHOT) {
      if (complete === null) return;
      this.#snapshots += 1;
      this.#costs.replace(complete.until, time, complete.text.length);
      return;
    }
    const before = Math.floor(this.#costs.level);
    this.#costs.add(time, sizeOf(data));
    const isOwn = this.#own.has(typeof data === "string" ? data : data?.set);
    // All clients count alike, so one client makes the snapshot. If it fails, the next level is
    // another client's turn.
    if (isOwn && Math.floor(this.#costs.level) > before) this.#compactSoon();
  }

  async #load() {
    if (this.#isDestroyed) return;
    this.#loadsAgain = this.#isLoading;
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#live = [];
    try {
      const { kept, messages, costs, newest } = await this.#read();
      if (this.#isDestroyed) return;
      apply(this.doc, Y.encodeStateAsUpdate(kept), this);
      this.#messages = messages;
      this.#costs = costs;
      this.#newest = newest;
      this.#isLoaded = true;
      // What came meanwhile may be parts of what the history has.
      const live = this.#live.map((frame) => this.#receive(frame));
      for (const update of [...live, this.#sending, ...this.#queue]) {
        if (update !== null) apply(kept, update);
      }
      this.#queueMissing(kept);
      kept.destroy();
      this.#retry = FIRST_RETRY;
      this.#error = null;
      this.#loaded.resolve();
      if (costs.level >= OVERDUE) this.#compactSoon();
    } catch (error) {
      this.#fail(error);
      this.#later(() => this.#load(), error);
    } finally {
      this.#isLoading = false;
      this.#live = [];
    }
    this.#notify();
    this.#flush();
    if (this.#loadsAgain) this.#load();
  }

  /** Queue what the document has and the daemon lacks. */
  #queueMissing(kept) {
    if (Y.equalSnapshots(Y.snapshot(this.doc), Y.snapshot(kept))) return;
    this.#queue.push(Y.encodeStateAsUpdate(this.doc, Y.encodeStateVector(kept)));
  }

  /** Read the whole history into a document of its own. */
  async #read() {
    const list = await readHistory((before) => this.#channel.getHistory(PAGE, before));
    const kept = new Y.Doc({ gc: this.doc.gc });
    const messages = new DocumentMessages();
    const costs = new Costs();
    kept.transact(() => {
      for (const { event, data, created_at } of list) {
        const complete = messages.take(event, data, created_at);
        if (event === UPDATE) costs.add(created_at, sizeOf(data));
        if (complete === null || complete.isLate) continue;
        if (complete.until !== undefined) {
          costs.replace(complete.until, created_at, complete.text.length);
        }
        const update = decodeBytes(complete.text);
        if (update !== null) apply(kept, update);
      }
    });
    const newest = list.at(-1)?.created_at ?? 0;
    return { kept, messages, costs, newest, until: messages.replaceable(newest) };
  }

  // Writing

  #edited = (update, origin) => {
    if (origin === this) return;
    this.#queue.push(update);
    this.#notify();
    this.#flush();
  };

  #flush() {
    const isReady = this.#isLoaded && !this.#isPausing && !this.#isRefused && !this.#isDestroyed;
    if (isReady && this.#sending === null && this.#queue.length) void this.#send();
  }

  async #send() {
    const update = this.#queue.length === 1 ? this.#queue[0] : Y.mergeUpdates(this.#queue);
    this.#queue = [];
    this.#sending = update;
    try {
      await this.#publish(UPDATE, encodeBytes(update));
      this.#sending = null;
      this.#retry = FIRST_RETRY;
      this.#error = null;
      if (this.#isDestroyed && this.#queue.length) return this.#send();
      this.#pause(PAUSE);
    } catch (error) {
      this.#sending = null;
      this.#queue.unshift(update);
      this.#refused(error);
    }
    this.#notify();
  }

  /** Publish an update or a snapshot, one part after the other. */
  async #publish(event, text, until, isWanted = () => true) {
    for (;;) {
      const set = `${this.doc.clientID.toString(36)}-${Date.now().toString(36)}-${++count}`;
      const messages = makeMessages(text, this.#partSize, set, until);
      const key = messages.length > 1 ? set : text;
      this.#own.add(key);
      const began = performance.now();
      try {
        for (const [number, data] of messages.entries()) {
          if (!isWanted()) return;
          const isLast = number === messages.length - 1;
          // With 0 the other parts find room, too, if the topic is full.
          const replaces = isLast || until === undefined ? until : 0;
          await this.#channel.publish(event, data, { persist: true, replaces });
        }
        // The daemon's clock may differ from this one, so half of the time is left to it.
        if (event === SNAPSHOT || performance.now() - began < SPAN / 2) return;
      } catch (error) {
        if (error.code !== "too_large" || this.#partSize <= SMALLEST_PART) throw error;
        this.#partSize = Math.max(SMALLEST_PART, this.#partSize >> 1);
      } finally {
        // Its events came before the acknowledgement.
        if (messages.length === 1) this.#own.delete(key);
        else this.#timer(() => this.#own.delete(key), SPAN);
      }
    }
  }

  #refused(error) {
    this.#fail(error);
    if (error.code === "history_full") this.#compactSoon();
    // Another try would connect a client that the application has disconnected.
    if (error.code === "disconnected") this.#isRefused = true;
    else this.#later(this.#goOn, error);
    // Until then, edits wait: the daemon would refuse them, too.
    this.#isPausing = true;
  }

  #compactSoon() {
    if (!this.#mayCompact || this.#isDestroyed) return;
    this.compact().catch((error) => {
      // The topic's policy or the client's rights do not allow it.
      if (error.code === "forbidden") this.#mayCompact = false;
      this.#fail(error);
    });
  }

  #pause(time) {
    this.#isPausing = true;
    this.#timer(this.#goOn, time);
  }

  #goOn = () => {
    this.#isPausing = false;
    this.#flush();
  };

  /** Try again; each time it takes longer. */
  #later(call, { retryAfter }) {
    const delay = Math.max(retryAfter ?? 0, this.#retry * (0.5 + Math.random() / 2));
    this.#retry = Math.min(LAST_RETRY, this.#retry * 2);
    this.#timer(call, delay);
  }

  #timer(call, delay) {
    if (this.#isDestroyed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      call();
    }, delay);
    // A program on Node.js may end although a timer waits.
    if (delay === SPAN) timer.unref?.();
    this.#timers.add(timer);
  }

  #fail(error) {
    this.#error = error;
    this.#notify();
  }

  #notify() {
    this.#changes.call(report, this);
  }
}

/**
 * Apply an update; return whether it is one, because any client may publish anything on the topic.
 *
 * @param {Y.Doc} doc
 * @param {Uint8Array} update
 * @param {any} [origin]
 */
function apply(doc, update, origin) {
  try {
    // An update that breaks off would be applied in part.
    Y.decodeUpdate(update);
    Y.applyUpdate(doc, update, origin);
    return true;
  } catch {
    return false;
  }
}

/** How many characters a message takes. */
function sizeOf(data) {
  return typeof data === "string" ? data.length : String(data?.data).length;
}
