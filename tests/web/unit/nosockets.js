/**
 * A client whose WebSockets do not pass, and what answers its requests.
 */

import { collector, settle, World } from "./fakes.js";

export const bytes = new TextEncoder();
const OPENS = { status: 200, body: { opens: true } };

/** What answers the requests of a client that has no WebSocket. */
export class Daemon {
  /** The requests for events, and the bodies of those that send. */
  openings = [];
  sent = [];
  /** How each of the next openings, and each request that sends, is answered. */
  refusals = [];
  statuses = [];
  check = OPENS;
  isHeld = false;
  held = [];

  fetch = async (url, init) => {
    const signal = init.signal ?? new AbortController().signal;
    if (url.includes("/check")) return this.answer(await this.check);
    if (url.includes("/sse")) return this.#open(url, init);
    this.sent.push({ url, ...init });
    if (this.isHeld) await new Promise((resolve) => this.held.push(resolve));
    const status = this.statuses.shift() ?? 202;
    if (signal.aborted) throw new Error("aborted");
    const message = "A body has at most 9 bytes here.";
    return this.answer({ status, body: status === 413 ? { error: "too_large", message } : {} });
  };

  answer({ status, body }) {
    const text = async () => (body === undefined ? "<html>" : JSON.stringify(body));
    return { ok: status < 300, status, text };
  }

  #open(url, init) {
    const opening = { url, ...init };
    this.openings.push(opening);
    const refusal = this.refusals.shift();
    if (refusal instanceof Error) throw refusal;
    if (refusal) return this.answer(refusal);
    const body = new ReadableStream({ start: (controller) => (opening.stream = controller) });
    init.signal.addEventListener("abort", () => {
      try {
        opening.stream.error(new Error("aborted"));
      } catch {
        // It has ended.
      }
    });
    return { ok: true, status: 200, body };
  }

  get opening() {
    return this.openings.at(-1);
  }

  async write(text) {
    this.opening.stream.enqueue(bytes.encode(text));
    await settle();
    await settle();
  }

  say(frame) {
    return this.write(`data: ${JSON.stringify(frame)}\n\n`);
  }

  accept() {
    return this.say({ type: "session", session: "c1.secret" });
  }

  async end() {
    this.opening.stream.close();
    await settle();
  }

  /** The frames that were sent. */
  get frames() {
    return this.sent.flatMap(({ body }) => JSON.parse(body));
  }
}

/** A client whose WebSockets do not pass. */
export function strip(t, options = {}) {
  const world = new World(t);
  const daemon = new Daemon();
  const transports = collector();
  const client = world.client({ transport: undefined, fetch: daemon.fetch, ...options });
  client.onTransportChange(transports);
  return { world, daemon, client, transports };
}

/** Connect such a client. */
export async function connected(t, options) {
  const all = strip(t, options);
  all.opening = all.client.connect();
  await settle();
  await all.world.socket.end();
  await settle();
  await all.daemon.accept();
  return all;
}
