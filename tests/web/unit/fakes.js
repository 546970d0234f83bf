/**
 * Time, the network and a daemon, under a test's control.
 */

import assert from "node:assert/strict";

import { RealtimeClient } from "../../../aerostack/web/client/realtime.js";

const nextTurn = globalThis.setImmediate;

/** Let everything happen that waits for no time. */
export const settle = () => new Promise((resolve) => nextTurn(resolve));

/** Time that passes only when it is told to; takes the place of the timers. */
export class Clock {
  now = 0;
  #timers = new Map();
  #count = 0;

  setTimeout = (callback, delay = 0) => {
    this.#timers.set(++this.#count, { callback, at: this.now + delay });
    return this.#count;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  get pending() {
    return this.#timers.size;
  }

  /** Go on to the next timer that is due by then; return whether there was one. */
  async step(end) {
    await settle();
    const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
    if (!due.length) return false;
    const [id, { callback, at }] = due.sort(([, a], [, b]) => a.at - b.at)[0];
    this.#timers.delete(id);
    this.now = at;
    callback();
    await settle();
    return true;
  }

  async advance(time) {
    const end = this.now + time;
    while (await this.step(end));
    this.now = end;
  }
}

/** What a window tells: that the network came or went. */
class Events {
  listeners = [];

  add = (type, callback) => {
    this.listeners.push({ type, callback });
  };

  remove = (type, callback) => {
    this.listeners = this.listeners.filter((it) => it.type !== type || it.callback !== callback);
  };

  fire(type) {
    for (const it of this.listeners) if (it.type === type) it.callback({ type });
  }
}

/** What the daemon answers in a test that is not about that. */
function usual(url) {
  return url.includes("/check")
    ? { status: 200, body: { opens: true } }
    : { status: 400, body: { error: "invalid_topic", message: "No topic." } };
}

/** One test's surroundings. */
export class World {
  clock = new Clock();
  events = new Events();
  /** Every WebSocket that was made, in order. */
  sockets = [];
  /** What the client says is wrong. */
  errors = [];
  /** Every HTTP request, and what they are answered; `undefined` for the usual answers. */
  requests = [];
  answer = undefined;
  online = true;
  /** Whether the daemon answers a ping by itself; a ping is then none of what was sent. */
  answersPings = false;

  /** Take the place of what a page has, until the test ends. */
  constructor(t) {
    const world = this;
    this.WebSocket = class {
      sent = [];
      isClosed = false;

      constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        world.sockets.push(this);
      }

      send(text) {
        const frame = JSON.parse(text);
        this.sent.push(frame);
        if (frame.type === "ping" && world.answersPings) nextTurn(() => this.say({ type: "pong" }));
      }

      close() {
        this.isClosed = true;
      }

      // What a test does with it.

      open() {
        this.onopen({});
        return settle();
      }

      say(...frames) {
        for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
        return settle();
      }

      sayText(data) {
        this.onmessage?.({ data });
        return settle();
      }

      end(code = 1006, reason = "") {
        this.onclose?.({ code, reason });
        return settle();
      }

      /** What was sent since this was last asked. */
      take() {
        const sent = this.sent.splice(0);
        return world.answersPings ? sent.filter(({ type }) => type !== "ping") : sent;
      }
    };
    const replaced = {
      setTimeout: this.clock.setTimeout,
      clearTimeout: this.clock.clearTimeout,
      addEventListener: this.events.add,
      removeEventListener: this.events.remove,
      performance: { now: () => this.clock.now },
      navigator: {
        get onLine() {
          return world.online;
        },
      },
    };
    for (const [name, value] of Object.entries(replaced)) this.replace(t, globalThis, name, value);
    t.mock.method(Math, "random", () => 0.5);
  }

  replace(t, object, name, value) {
    const before = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
    t.after(() => {
      if (before) Object.defineProperty(object, name, before);
      else delete object[name];
    });
  }

  fetch = async (url, init) => {
    this.requests.push({ url, ...init });
    if (this.answer instanceof Error) throw this.answer;
    const { status, body } = await (this.answer ?? usual(url));
    const ok = status < 300;
    const text = async () => (body === undefined ? "<html>" : JSON.stringify(body));
    return { ok, status, text };
  };

  /** A client of the project p. */
  client(options = {}) {
    return new RealtimeClient({
      baseUrl: "http://rt.test",
      projectId: "p",
      WebSocket: this.WebSocket,
      fetch: this.fetch,
      onError: (error) => this.errors.push(error),
      transport: "websocket",
      ...options,
    });
  }

  /** The newest WebSocket. */
  get socket() {
    return this.sockets.at(-1);
  }

  /** Connect a client. */
  async connect(client) {
    client.connect();
    await settle();
    await this.socket.open();
    return this.socket;
  }

  /** Let a client that waits come back. */
  async comeBack(time = 60_000) {
    const before = this.sockets.length;
    const end = this.clock.now + time;
    while (this.sockets.length === before) {
      if (!(await this.clock.step(end))) throw new Error("it does not come back");
    }
    await this.socket.open();
    return this.socket;
  }

  get codes() {
    return this.errors.map((error) => error.code);
  }
}

/** A client with one channel that is subscribed, at the position 1. */
export async function subscribed(world, topic = "chat/x", options = {}) {
  const client = world.client(options.client);
  const channel = client.channel(topic, options.channel);
  const socket = await world.connect(client);
  channel.subscribe();
  await socket.say({ type: "subscribed", topic: channel.topic, pos: "1" });
  socket.take();
  return { client, channel, socket, topic: channel.topic };
}

/** Collects what callbacks get. */
export function collector() {
  const got = [];
  const callback = (...args) => {
    got.push(args.length === 1 ? args[0] : args);
  };
  return Object.assign(callback, { got });
}

export const event = (topic, name, data, more) => ({
  type: "event", topic, event: name, data, timestamp: 1, ...more,
});

export const change = (topic, operation, data, more) => ({
  type: "db_change", topic, operation, data, timestamp: 1, ...more,
});

export const PONG = { type: "pong" };

/** The credentials that an opening offers; beside them there are the session and the protocol. */
export function credentials({ protocols }) {
  const [session, version] = protocols.slice(-2);
  assert.match(session, /^aerostack-session\.[\w-]{32}$/);
  assert.equal(version, "aerostack-v1");
  return protocols.slice(0, -2);
}

/** End a connection as the daemon does when its token does not hold. */
export async function expire(socket, code = "token_expired") {
  await socket.say({ type: "error", code, message: "The token expired." });
  await socket.end(4001, code);
}

/** What a page has that can be looked at and away from. */
export function makePage(t, world) {
  world.replace(t, globalThis, "document", {
    hidden: false,
    addEventListener: world.events.add,
    removeEventListener: world.events.remove,
  });
}
