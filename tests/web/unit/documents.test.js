/**
 * The messages of shared documents, and the history that they are read from.
 */

import assert from "node:assert/strict";
import test from "node:test";

import { readHistory } from "../../../aerostack/web/client/dochistory.js";
import {
  Costs,
  DocumentMessages,
  SPAN,
  decodeBytes,
  encodeBytes,
  makeMessages,
} from "../../../aerostack/web/client/docmessages.js";
import { makeRandom } from "../apps/random.js";

/** Give the texts that messages complete. */
function takeAll(messages, list) {
  return list.flatMap(([event, data, time]) => messages.take(event, data, time) ?? []);
}

test("Bytes survive base64, however many they are.", () => {
  for (const length of [0, 1, 2, 3, 8191, 8192, 100_000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 7) % 256);
    assert.deepEqual(decodeBytes(encodeBytes(bytes)), bytes);
  }
  assert.equal(decodeBytes("%"), null);
});

test("A short update is its text; a long one comes in parts, which may come in any order and twice.", () => {
  assert.deepEqual(makeMessages("abc", 3, "s"), ["abc"]);
  assert.deepEqual(makeMessages("abc", 3, "s", 7), [{ until: 7, data: "abc" }]);
  const parts = makeMessages("abcdefgh", 3, "s");
  assert.equal(parts.length, 3);
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 1, 2, 0], [0, 2, 2, 1]]) {
    const list = order.map((at) => ["update", parts[at], at]);
    const found = takeAll(new DocumentMessages(), list);
    assert.deepEqual(found, [{ text: "abcdefgh", until: undefined, isLate: false, set: "s" }]);
  }
});

test("Messages that are no updates are ignored.", () => {
  const whole = { set: "s", part: 0, parts: 1, data: "a" };
  for (const data of [
    null, 1, [], {}, { data: 1 }, { data: "a" }, { ...whole, part: 1 }, { ...whole, part: -1 },
    { ...whole, part: 0.5 }, { ...whole, parts: 1e9 }, { ...whole, set: 1 }, { ...whole, data: null },
  ]) {
    assert.equal(new DocumentMessages().take("update", data, 1), null, JSON.stringify(data));
  }
  assert.equal(new DocumentMessages().take("snapshot", "a", 1), null);
  assert.equal(new DocumentMessages().take("snapshot", { data: "a", until: "1" }, 1), null);
  assert.equal(new DocumentMessages().take("cursor", "a", 1), null);
  assert.equal(new DocumentMessages().take("update", whole, 1).text, "a");
});

test("An update whose last part came too late is ignored, a snapshot is not.", () => {
  const [first, last] = makeMessages("abcd", 2, "s");
  const list = (event, more) => [
    [event, { ...first, ...more }, 1],
    [event, { ...last, ...more }, 2 + SPAN],
  ];
  assert.equal(takeAll(new DocumentMessages(), list("update", {}))[0].isLate, true);
  assert.equal(takeAll(new DocumentMessages(), list("snapshot", { until: 0 }))[0].isLate, false);
});

test("A snapshot replaces no parts of an update that may still become complete.", () => {
  const messages = new DocumentMessages();
  const [first] = makeMessages("abcd", 2, "s");
  assert.equal(messages.replaceable(50), 50);
  messages.take("update", first, 40);
  assert.equal(messages.replaceable(50), 39);
  assert.equal(messages.replaceable(41 + SPAN), 41 + SPAN);
  messages.take("snapshot", { ...first, until: 1 }, 41);
  assert.equal(messages.replaceable(50), 39);
});

test("What is incomplete has a bound: the oldest is dropped first.", () => {
  const messages = new DocumentMessages();
  const data = "x".repeat(10_000_000);
  for (let set = 0; set < 8; set++) {
    messages.take("update", { set: `${set}`, part: 0, parts: 2, data }, 1);
  }
  const last = (set) => messages.take("update", { set: `${set}`, part: 1, parts: 2, data: "y" }, 1);
  assert.equal(last(7).text.length, 10_000_001);
  assert.equal(last(0), null);
});

test("A snapshot is worth it by what was written since the last one, also if that was not enough.", () => {
  const costs = new Costs();
  for (let time = 1; time <= 10; time++) costs.add(time, 1000);
  const level = costs.level;
  assert.ok(level > 2);
  costs.replace(8, 11, 40_000);
  assert.ok(costs.level < level / 4);
  // Made at the same time as the other one, which stays.
  costs.replace(9, 12, 40_000);
  assert.ok(costs.level > 4);
  costs.replace(12, 13, 40_000);
  assert.equal(costs.level, 0);
});

/** A topic whose messages may be replaced, as the daemon keeps it. */
class Topic {
  messages = [];
  now = 0;

  publish(event, data, replaces) {
    this.now += 1;
    this.messages = this.messages.filter(({ created_at }) => created_at > (replaces ?? 0));
    this.messages.push({ event, data, created_at: this.now, ...(replaces ? { replaces } : {}) });
  }

  page(size, before = Infinity) {
    const found = this.messages.filter(({ created_at }) => created_at < before);
    return found.reverse().slice(0, size);
  }
}

/** What is in the history: the names of updates, those of the snapshots among them. */
function namesOf(list) {
  const messages = new DocumentMessages();
  const names = new Set();
  for (const { event, data, created_at } of list) {
    const complete = messages.take(event, data, created_at);
    if (complete !== null) for (const name of complete.text.split(",")) names.add(name);
  }
  return { names, messages };
}

test("Whatever writers, readers and snapshots of several clients meet, no update is lost.", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = makeRandom(seed);
    const below = (number) => Math.floor(random() * number);
    const topic = new Topic();
    const kept = new Set();
    const waiting = [];
    // Each step of a client waits until the test lets it go on.
    const turn = () => new Promise((resolve) => waiting.push(resolve));
    const read = () =>
      readHistory(async (before) => {
        await turn();
        return topic.page(1 + below(4), before);
      });
    const send = async (event, text, set, until) => {
      const list = makeMessages(text, 1 + below(8), set, until);
      for (const [number, data] of list.entries()) {
        await turn();
        if (random() < 0.03) return false;
        const isLast = number === list.length - 1;
        topic.publish(event, data, isLast ? until : undefined);
        if (random() < 0.1) topic.publish(event, data, isLast ? until : undefined);
      }
      return true;
    };
    const write = async (client) => {
      for (let count = 0; count < 8; count++) {
        const name = `${client}-${count}`;
        if (await send("update", name, name)) kept.add(name);
      }
    };
    const compact = async (client) => {
      for (let count = 0; count < 3; count++) {
        const before = [...kept];
        const list = await read();
        const { names, messages } = namesOf(list);
        for (const name of before) assert.ok(names.has(name), `${seed}: a reader lacks ${name}`);
        const until = messages.replaceable(list.at(-1)?.created_at ?? 0);
        if (until > 0) await send("snapshot", [...names].join(), `s${client}-${count}`, until);
      }
    };
    const clients = [0, 1, 2].flatMap((client) => [write(client), compact(client)]);
    let isOver = false;
    const all = Promise.all(clients).finally(() => (isOver = true));
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      if (waiting.length) waiting.splice(below(waiting.length), 1)[0]();
    }
    await all;
    const { names } = namesOf(topic.messages);
    for (const name of kept) assert.ok(names.has(name), `${seed}: ${name} is lost`);
  }
});
