/**
 * The JavaScript client, over a network that cuts, delays and lies, compared with a model of a daemon.
 *
 *     node javascript.js SEED...
 *
 * An application does random things.  In the end the network works again, and the application must
 * show what the daemon has.  The program prints `ok` for each seed, or the failure.
 */

import assert from "node:assert/strict";

import { makeRandom } from "../web/apps/random.js";
import { Daemon } from "../web/model/daemon.js";
import { World, settle } from "../web/unit/fakes.js";

const STEPS = 600;
const TOPICS = ["chat/a", "chat/b", "orders"];
const JUNK = [
  "<html>", '{"type":"weather"}', '{"type":"event","topic":"chat/a/p"}', '{"type":"pong"',
  '{"type":"error","code":"lagging","message":"Read faster."}', '{"type":"ack","id":"whose"}',
  '{"type":"subscribed"}', '{"type":"event","topic":"chat/a/p","event":"presence:join","data":1}',
  '{"type":"event","topic":"nobody/p","event":"e","data":1}', "null", "[]",
];
const NEVER = ["client_failed", "callback_failed", "no_key", "max_retries", "rate_limited"];

/** A channel, and what an application gets on it. */
class Watcher {
  constructor(client, name) {
    this.name = name;
    const options = name === "orders" ? { snapshot: true, shared: false } : { shared: false };
    this.channel = client.channel(name, options);
  }

  subscribe() {
    if (this.channel.isSubscribed) return;
    this.last = null;
    this.channel.on("*", (frame) => this.see(frame));
    this.channel.onGap(() => (this.last = null));
    this.channel.presence.onChange((members) => (this.shown = members.size));
    this.channel.subscribe();
  }

  see({ pos, event }) {
    if (pos === undefined) return;
    const [epoch, place] = pos.split(":").map(Number);
    if (this.last !== null) {
      const [before, at] = this.last;
      assert.ok(before === epoch, `${this.name}: ${pos} follows ${this.last} without a gap`);
      assert.equal(place, at + 1, `${this.name}: ${event} at ${pos} follows ${this.last}`);
    }
    this.last = [epoch, place];
  }

  leave() {
    this.channel.unsubscribe();
  }

  track(state) {
    this.tracked = state;
    this.channel.track(state);
  }

  untrack() {
    this.tracked = undefined;
    this.channel.untrack();
  }
}

class Run {
  constructor(seed) {
    this.random = makeRandom(seed);
    this.world = new World({ after() {}, mock: { method() {} } });
    Math.random = this.random;
    this.world.replace({ after() {} }, globalThis, "document", {
      hidden: false,
      addEventListener: this.world.events.add,
      removeEventListener: this.world.events.remove,
    });
    const limits = this.chance(0.5) ? { rate: 40, burst: 15 } : {};
    this.daemon = new Daemon(this.world.clock, limits);
    this.daemon.isOld = this.chance(0.2);
    this.client = this.world.client({
      WebSocket: this.daemon.WebSocket,
      token: "ann",
      reconnectDelay: 100,
      maxReconnectDelay: 1000,
      maxQueue: 40,
    });
    this.watchers = [];
    this.promises = new Map();
    this.count = 0;
  }

  chance(part) {
    return this.random() < part;
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  get watcher() {
    if (this.watchers.length < 6 && this.chance(0.3)) {
      this.watchers.push(new Watcher(this.client, this.pick(TOPICS)));
    }
    if (!this.watchers.length) this.watchers.push(new Watcher(this.client, "chat/a"));
    return this.pick(this.watchers);
  }

  get topic() {
    const name = this.pick(TOPICS);
    return name === "orders" ? "table/orders/p" : `${name}/p`;
  }

  get chat() {
    return `${this.pick(["chat/a", "chat/b"])}/p`;
  }

  publish() {
    const data = `said ${++this.count}`;
    const { channel } = this.watcher;
    const settled = channel.publish("e", data).then(
      () => "kept",
      (error) => error.code,
    );
    this.promises.set(data, settled);
  }

  // The random actions, and their weights.
  actions = [
    [60, () => this.pass()],
    [20, () => this.world.clock.advance(this.random() * 50)],
    [6, () => this.publish()],
    [4, () => this.watcher.subscribe()],
    [2, () => this.watcher.leave()],
    [3, () => this.watcher.track({ n: ++this.count })],
    [2, () => this.watcher.untrack()],
    [4, () => this.daemon.append(this.chat, { type: "event", event: "d", data: ++this.count })],
    [4, () => this.daemon.write("table/orders/p", { id: this.pick([1, 2, 3, 4, 5]), n: ++this.count })],
    [1, () => this.daemon.remove("table/orders/p", this.pick([1, 2, 3, 4, 5]))],
    [3, () => this.daemon.visit(this.topic, this.pick(["x", "y", "z"]), { n: ++this.count })],
    [2, () => this.daemon.depart(this.topic, this.pick(["x", "y", "z"]))],
    [0.5, () => this.daemon.truncate("table/orders/p")],
    [0.5, () => this.daemon.alter("table/orders/p", ++this.count)],
    [0.3, () => this.daemon.forbid(this.topic)],
    [0.5, () => this.cut()],
    [0.3, () => this.die()],
    [0.2, () => this.daemon.restart()],
    [0.5, () => this.daemon.expire()],
    [1, () => this.lie()],
    [0.3, () => this.client.setToken(this.pick(["ann", "bob"]))],
    [0.2, () => this.client.disconnect()],
    [0.5, () => void this.client.connect()],
    [0.5, () => this.world.events.fire(this.pick(["online", "offline", "visibilitychange"]))],
    [0.2, () => this.world.clock.advance(40_000)],
  ];

  get line() {
    return this.pick(this.daemon.lines);
  }

  pass() {
    const { line } = this;
    if (line === undefined || line.isDead) return;
    if (line.isOpen) this.daemon.pass(line, this.pick(["up", "down"]));
    else if (this.chance(0.1)) this.daemon.cut(line);
    else this.daemon.open(line);
  }

  cut() {
    const { line } = this;
    if (line !== undefined) this.daemon.cut(line, this.pick([1006, 1001, 1011, 4002, 4008]));
  }

  die() {
    const { line } = this;
    if (line !== undefined) line.isDead = true;
  }

  lie() {
    const { line } = this;
    if (line?.isOpen) line.down.push(this.pick(JUNK));
  }

  async act() {
    const total = this.actions.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.random() * total;
    for (const [weight, action] of this.actions) {
      at -= weight;
      if (at < 0) {
        await action();
        break;
      }
    }
    await settle();
  }

  /** Restore the network, and let everything settle. */
  async rest() {
    const { daemon, world } = this;
    this.client.connect();
    for (const line of [...daemon.lines]) daemon.cut(line);
    for (let n = 0; n < 150; n++) {
      await world.clock.advance(200);
      daemon.flush();
    }
    daemon.expire();
    for (const name of TOPICS) {
      const topic = name === "orders" ? "table/orders/p" : `${name}/p`;
      daemon.append(topic, { type: "event", event: "marker", data: 0 });
    }
    daemon.flush();
    await settle();
  }

  async check() {
    const { daemon, world } = this;
    assert.equal(this.client.status, "connected");
    assert.equal(daemon.lines.length, 1, "one connection");
    assert.equal(daemon.floods, 0, "no flood");
    const faults = world.errors.filter(({ code }) => NEVER.includes(code));
    assert.deepEqual(faults.map(({ code, message }) => `${code}: ${message}`), []);
    const [line] = daemon.lines;
    const wanted = new Set();
    for (const { channel, name, last } of this.watchers) {
      const topic = daemon.topic(channel.topic);
      if (!channel.isSubscribed) {
        assert.equal(channel.state, "idle");
        continue;
      }
      wanted.add(channel.topic);
      assert.equal(channel.state, "subscribed", name);
      assert.deepEqual(last, [daemon.epoch, topic.log.length], `${name}: all events came`);
      if (name === "orders") {
        assert.deepEqual(new Map(channel.rows.map((row) => [row.id, row])), topic.rows, "rows");
      }
      assert.deepEqual(channel.presence.members, topic.members, `${name}: members`);
    }
    assert.deepEqual(new Set(line.subscribed.keys()), wanted, "subscriptions");
    for (const [name, topic] of daemon.topics) {
      const mine = [...topic.members.values()].filter(({ connectionId }) => /^c/.test(connectionId));
      const states = this.tracked.get(name) ?? [];
      assert.deepEqual(mine.map(({ state }) => state), states, `${name}: own presence`);
    }
    for (const [data, settled] of this.promises) {
      const outcome = await Promise.race([settled, settle().then(() => "open")]);
      const count = daemon.published.get(data) ?? 0;
      if (outcome === "kept") assert.equal(count, 1, `${data} was kept`);
      else assert.ok(["disconnected", "queue_full"].includes(outcome) && count <= 1, data + outcome);
    }
  }

  /** Return the latest state that the application tracks, by topic. */
  get tracked() {
    const found = new Map();
    for (const { channel, tracked } of this.watchers) {
      const [other] = found.get(channel.topic) ?? [{ n: 0 }];
      if (tracked?.n > other.n) found.set(channel.topic, [tracked]);
    }
    return found;
  }
}

async function run(seed) {
  const it = new Run(seed);
  for (let n = 0; n < STEPS; n++) await it.act();
  await it.rest();
  await it.check();
  it.client.disconnect();
}

for (const seed of process.argv.slice(2)) {
  try {
    await run(Number(seed));
    console.log(`${seed} ok`);
  } catch (error) {
    console.log(`${seed} ${error.stack}`);
  }
}
