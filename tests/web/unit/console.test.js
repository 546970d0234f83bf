/**
 * What the console reckons, and how it asks: with a daemon and time that are faked.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";

import { Api } from "../../../aerostack/web/console/api.js";
import { alone } from "../../../aerostack/web/console/charts.js";
import * as format from "../../../aerostack/web/console/format.js";
import { Frames, KEPT, MOST } from "../../../aerostack/web/console/frames.js";
import { Loop } from "../../../aerostack/web/console/loop.js";
import { feedFacts, nodeFacts, workerFacts } from "../../../aerostack/web/console/overview.js";
import { described } from "../../../aerostack/web/console/pages.js";
import { keyIn, parse, to, VIEWS } from "../../../aerostack/web/console/route.js";
import { Rates, Samples, summary } from "../../../aerostack/web/console/samples.js";
import { typed } from "../../../aerostack/web/console/suggesting.js";
import { daemon } from "../../../aerostack/web/shared/dom.js";
import { ordered } from "../../../aerostack/web/console/sorting.js";
import { Clock, settle } from "./fakes.js";

const KEY = "sk_0123456789abcdef";
const REAL = { fetch: globalThis.fetch };

let asked;
let answer;

beforeEach(() => {
  asked = [];
  globalThis.fetch = async (path, options) => {
    asked.push({ path, ...options });
    return answer(path, options);
  };
});

afterEach(() => Object.assign(globalThis, REAL));

/** Let time pass only when it is told to, until the test ends. */
function fakeTime(t) {
  const clock = new Clock();
  const real = { setTimeout, clearTimeout };
  Object.assign(globalThis, { setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout });
  t.after(() => Object.assign(globalThis, real));
  return clock;
}

const json = (body, status = 200) => () => new Response(JSON.stringify(body), { status });

// Asking

test("the key is in a header, and empty parameters are not sent", async () => {
  answer = json({ total: 0 });
  const api = new Api(KEY);
  assert.deepEqual(await api.get("connections", { user: "a&b", topic: "", after: null, limit: 5 }), {
    total: 0,
  });
  const [{ path, headers }] = asked;
  assert.equal(path, `${daemon}/internal/admin/connections?user=a%26b&limit=5`);
  assert.equal(headers.authorization, `Bearer ${KEY}`);
});

test("a key that no header can carry is not sent", () => {
  for (const key of ["", "with space", "schlüssel", "a\nb"]) {
    assert.throws(() => new Api(key), { status: 401 }, key);
  }
});

test("a refusal has the daemon's message", async () => {
  answer = json({ error: "forbidden", message: "Only from here.", retryAfter: 7 }, 403);
  await assert.rejects(new Api(KEY).get("overview"), {
    status: 403,
    code: "forbidden",
    message: "Only from here.",
    retryAfter: 7,
  });
});

test("an answer of another server is an error", async () => {
  for (const response of [
    new Response("<h1>Bad gateway</h1>", { status: 502 }),
    new Response("<h1>Hello</h1>", { status: 200 }),
    new Response("[]", { status: 500 }),
  ]) {
    answer = () => response;
    await assert.rejects(new Api(KEY).get("overview"), { code: "nonsense" });
  }
});

test("a daemon that cannot be reached, or never answers, is an error", async (t) => {
  answer = () => {
    throw new TypeError("fetch failed");
  };
  await assert.rejects(new Api(KEY).get("overview"), { status: 0, code: "unreachable" });
  const time = fakeTime(t);
  answer = (path, { signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  const waiting = assert.rejects(new Api(KEY).get("overview"), { message: /10 seconds/ });
  await time.advance(10_000);
  await waiting;
  assert.equal(time.pending, 0);
});

test("the console publishes as a server", async () => {
  answer = json({ ok: true });
  const api = new Api(KEY);
  await api.publish("chat/x", "message", { a: 1 }, false);
  await api.publish("chat/x", "message", null, true);
  const bodies = asked.map(({ body }) => JSON.parse(body));
  assert.deepEqual(bodies, [
    { method: "socket.emit", args: ["message", { a: 1 }, "chat/x"] },
    { method: "socket.emit", args: ["message", null, "chat/x", { persist: true }] },
  ]);
});

function stream(...pieces) {
  const bytes = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(bytes.encode(piece));
      controller.close();
    },
  });
  return () => new Response(body);
}

async function watched(...pieces) {
  answer = stream(...pieces);
  const frames = [];
  for await (const frame of new Api(KEY).watch("chat/ä", undefined)) frames.push(frame);
  return frames;
}

test("frames are read from pieces of any size, without the pings", async () => {
  const frames = await watched('{"type":"watch', 'ing"}\n{"type":"ping"}\n{"n":1}\n\n{"n"', ":2}\n");
  assert.deepEqual(frames, [{ type: "watching" }, { n: 1 }, { n: 2 }]);
  assert.equal(asked[0].path, `${daemon}/internal/admin/watch?topic=chat%2F%C3%A4`);
});

test("a stream that is not JSON is an error", async () => {
  await assert.rejects(watched("<html>\n"), { code: "nonsense" });
});

// Asking again

function makeLoop(t, outcomes) {
  const time = fakeTime(t);
  const heard = [];
  const loop = new Loop(
    async () => {
      const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
      if (outcome) await new Api(KEY).get(outcome);
    },
    (state, error, delay) => heard.push([time.now, state, delay]),
  );
  return { time, heard, loop };
}

test("the loop turns every second while the daemon answers", async (t) => {
  const { time, heard, loop } = makeLoop(t, [null]);
  loop.start();
  await time.advance(3500);
  loop.stop();
  assert.deepEqual(heard.map(([now]) => now), [0, 1000, 2000, 3000]);
  assert.equal(time.pending, 0);
});

test("the pauses grow while the daemon is away, and end when it is back", async (t) => {
  let works = false;
  answer = () => json({}, works ? 200 : 503)();
  const { time, heard, loop } = makeLoop(t, ["overview"]);
  loop.start();
  await time.advance(300_000);
  const tries = asked.length;
  assert.ok(tries > 20 && tries < 60, `${tries} tries`);
  assert.ok(heard.every(([, state]) => state === "away"));
  works = true;
  await time.advance(15_000);
  assert.equal(heard.at(-1)[1], "live");
  loop.stop();
});

test("a pause is at least as long as the daemon says", async (t) => {
  answer = json({ error: "rate_limited", message: "Later.", retryAfter: 40_000 }, 429);
  const { time, heard, loop } = makeLoop(t, ["overview"]);
  loop.start();
  await time.advance(39_000);
  assert.equal(asked.length, 1);
  assert.equal(heard[0][2], 40_000);
  loop.stop();
});

test("a wrong key ends the loop, and a refusal makes the pauses long", async (t) => {
  answer = json({ error: "unauthorized", message: "Unknown." }, 401);
  const keyless = makeLoop(t, ["overview"]);
  keyless.loop.start();
  await keyless.time.advance(100_000);
  assert.deepEqual(keyless.heard, [[0, "keyless", null]]);
  assert.equal(keyless.loop.isRunning, false);
  asked = [];
  answer = json({ error: "forbidden", message: "Not from there." }, 403);
  const refused = makeLoop(t, ["overview"]);
  refused.loop.start();
  await refused.time.advance(600_000);
  assert.equal(refused.heard[0][1], "refused");
  assert.ok(asked.length > 8 && asked.length < 30, `${asked.length} tries`);
  refused.loop.stop();
});

test("a fault of the page ends the loop, and is reported", async (t) => {
  const time = fakeTime(t);
  const heard = [];
  const loop = new Loop(
    async () => {
      throw new TypeError("it is a mistake");
    },
    (state, error) => heard.push([state, error.message]),
  );
  loop.start();
  await time.advance(10_000);
  assert.deepEqual(heard, [["broken", "it is a mistake"]]);
});

test("the outcome of a turn before a new start does not count", async (t) => {
  const time = fakeTime(t);
  const waiting = [];
  const heard = [];
  const loop = new Loop(
    () => new Promise((resolve) => waiting.push(resolve)),
    (state) => heard.push(state),
  );
  loop.start();
  loop.soon();
  assert.equal(waiting.length, 1);
  loop.start();
  waiting[0]();
  await time.advance(500);
  assert.deepEqual(heard, []);
  waiting[1]();
  await settle();
  assert.deepEqual(heard, ["live"]);
  loop.stop();
});

// Samples

const sample = (at, publications = 1) => ({ at, publications, publish: { p99: 2 }, feed: null });

test("each sample counts once, old samples go, and missing samples leave a gap", () => {
  const samples = new Samples(10_000);
  samples.add([sample(1000), sample(2000)], 2000);
  samples.add([sample(2000), sample(3000, 5)], 3000);
  assert.equal(samples.newest, 3000);
  samples.add([sample(9000)], 9000);
  const [times, publications, p99, feed] = samples.columns(["publications", "publish.p99", "feed.p50"]);
  assert.deepEqual(times, [1, 2, 3, 4, 9]);
  assert.deepEqual(publications, [1, 1, 5, null, 1]);
  assert.deepEqual(p99, [2, 2, 2, null, 2]);
  // A sample without the value is no gap.
  assert.deepEqual(feed, [undefined, undefined, undefined, null, undefined]);
  for (let at = 10_000; at < 60_000; at += 1000) samples.add([sample(at)], at);
  assert.equal(samples.size, 11);
});

test("only a value that no line reaches gets a point of its own", () => {
  assert.deepEqual(alone([1, undefined, undefined, 2]), []);
  assert.deepEqual(alone([undefined, 3, undefined, null, 4, 5, null, 6]), [1, 7]);
  assert.deepEqual(alone([]), []);
});

test("a filter shows the newest frames of an event and a user, also of those before", () => {
  const frames = new Frames();
  for (let n = 0; n < 500; n += 1) {
    frames.add({ type: "event", event: n % 2 ? "message" : "tick", userId: `user${n % 5}`, data: n }, 0);
  }
  assert.equal(frames.shown.length, MOST);
  frames.filter("MESS", "");
  assert.equal(frames.shown.length, MOST);
  assert.deepEqual(new Set(frames.shown.map(({ name }) => name)), new Set(["message"]));
  frames.filter("message", "user3 ");
  assert.equal(frames.shown.length, 50);
  assert.equal(frames.shown.at(-1).text, "493");
  frames.filter("", "");
  assert.equal(frames.shown.at(-1).text, "499");
  for (let n = 0; n < 2 * KEPT; n += 1) frames.add({ type: "event", event: "tick" }, 0);
  frames.filter("message", "");
  assert.deepEqual(frames.shown, []);
});

// Suggestions

test("a topic is suggested as a user types it", () => {
  for (const [topic, name] of [
    ["table/orders/p", "orders"],
    ["chat/general/p", "chat/general"],
    ["table/a/b/p", "table/a/b"],
    ["chat/x/q", "chat/x/q"],
  ]) {
    assert.equal(typed(topic, "p"), name);
  }
});

// Sorting

test("rows are sorted by what a cell stands for, and those without a value come last", () => {
  const rows = [
    { name: "b10", size: 900 },
    { name: "B9", size: 1100 },
    { name: null, size: null },
    { name: "a", size: 900 },
  ];
  const sorted = (column, descending = false) =>
    ordered(rows, { column: { label: "", ...column }, descending }).map(({ name }) => name);
  const name = { cell: (row) => ({ text: row.name, href: "#" }) };
  assert.deepEqual(sorted(name), ["a", "B9", "b10", null]);
  assert.deepEqual(sorted(name, true), ["b10", "B9", "a", null]);
  const size = { sort: (row) => row.size, cell: (row) => format.bytes(row.size) };
  assert.deepEqual(sorted(size), ["b10", "a", "B9", null]);
  assert.deepEqual(sorted(size, true), ["B9", "b10", "a", null]);
});

test("new samples count after the daemon's clock was set back", () => {
  const samples = new Samples(10_000);
  samples.add([sample(1_000_000)], 1_000_000);
  samples.add([sample(990_000)], 990_000);
  assert.equal(samples.newest, 990_000);
});

test("a summary has the newest value, the mean and the peak", () => {
  assert.deepEqual(summary([1, null, 5, 3]), { now: 3, mean: 3, peak: 5 });
  assert.deepEqual(summary([]), { now: null, mean: null, peak: null });
});

test("rates are of counters that grew, not of counters that began again", () => {
  const rates = new Rates();
  assert.deepEqual([...rates.of([["a", 10]], 1000)], [["a", null]]);
  const second = rates.of([["a", 30], ["b", 5], ["c", null]], 3000);
  assert.deepEqual([...second], [["a", 10], ["b", null], ["c", null]]);
  assert.deepEqual([...rates.of([["a", 2]], 4000)], [["a", null]]);
});

// Frames

test("the list keeps a number of frames, and a part of long ones", () => {
  const frames = new Frames();
  for (let n = 0; n < 1000; n += 1) frames.add({ type: "event", event: "e", data: n }, n);
  assert.equal(frames.passed, 1000);
  assert.equal(frames.shown.length, MOST);
  assert.equal(frames.shown.at(-1).text, "999");
  frames.add({ type: "event", event: "e", data: "x".repeat(1 << 20) }, 0);
  assert.ok(frames.shown.at(-1).text.length < 5000);
  assert.match(frames.shown.at(-1).text, /1,048,578 characters in all/);
});

test("a paused list does not change, and shows the frames that waited afterwards", () => {
  const frames = new Frames();
  frames.add({ type: "event", event: "e", data: 1 }, 0);
  frames.pause();
  for (let n = 0; n < 2000; n += 1) frames.add({ type: "event", event: "e", data: n }, n);
  frames.add({ type: "skipped", count: 7 }, 0);
  assert.deepEqual(frames.shown.map(({ text }) => text), ["1"]);
  assert.deepEqual([frames.waiting, frames.passed, frames.skipped], [KEPT, 2001, 7]);
  frames.resume();
  assert.equal(frames.shown.at(-1).text, "1999");
  assert.equal(frames.shown.length, MOST);
});

test("each kind of frame is described", () => {
  const frames = new Frames();
  frames.add({ type: "db_change", operation: "UPDATE", data: { a: 2 }, old: { a: 1 }, timestamp: 5 }, 0);
  frames.add({ type: "db_change", operation: "DELETE", data: { a: 2 }, old: { a: 2 }, pos: "x:1" }, 9);
  frames.add({ type: "chat_message", event: "message", data: {}, userId: "ann" }, 0);
  frames.add({ type: "event", event: "presence:join", data: {} }, 0);
  frames.add({ type: "status", feed: "down", message: "It is away." }, 0);
  const shown = frames.shown.map(({ at, name, kind, user, text }) => [at, name, kind, user, text]);
  assert.deepEqual(shown, [
    [5, "UPDATE", "update", "", '{"old":{"a":1},"new":{"a":2}}'],
    [9, "DELETE", "delete", "", '{"a":2}'],
    [0, "message", "event", "ann", "{}"],
    [0, "presence:join", "presence", "", "{}"],
    [0, "status", "event", "", '{"feed":"down","message":"It is away."}'],
  ]);
});

// The feed

test("the facts of the feed have its state, and the open transaction that holds it back", () => {
  const feed = { up: true, lag: 0.02, position: 1234, tables: [] };
  assert.deepEqual(feedFacts(feed), [
    ["State", "Up", "fine"],
    ["Behind by", "20 ms", undefined],
    ["Newest change", "1,234"],
  ]);
  const holder = { who: "process 7 (nightly)", role: "batch", remedy: "SELECT 1", age: 93, isRecorded: true };
  const waiting = { age: 2, holder };
  assert.deepEqual(feedFacts({ ...feed, up: false, lag: 9, waiting }), [
    ["State", "Down: changes cannot be read", "problem"],
    ["Behind by", "9 s", "notice"],
    ["Newest change", "1,234"],
    ["Yet to be read", "since 2 s", "notice"],
    ["Open transaction", "process 7 (nightly) of batch, for 1 min 33 s", "notice"],
    ["It holds back", "Its own changes, until it ends"],
    ["To end it", "SELECT 1"],
  ]);
  const short = { ...holder, age: 1, isRecorded: false };
  assert.deepEqual(feedFacts({ ...feed, waiting: { age: 0, holder: short } }).slice(3), [
    ["Open transaction", "process 7 (nightly) of batch, for 1 s", undefined],
    ["It holds back", "Nothing"],
    ["To end it", "SELECT 1"],
  ]);
});

// Addresses and numbers

test("addresses are read and written", () => {
  assert.equal(keyIn("#key=sk_a%2Bb%26"), "sk_a+b&");
  assert.equal(keyIn("#key=sk_a+b&c%"), "sk_a+b&c%");
  assert.equal(keyIn("#topics"), null);
  const hash = to("why", { user: "a?b=c&d", topic: "chat/ü", empty: "" });
  assert.deepEqual(parse(hash), { view: "why", query: { user: "a?b=c&d", topic: "chat/ü" } });
  assert.equal(to("topics"), "#topics");
  for (const hash of ["", "#", "#nothing?x=1", "#toString"]) assert.equal(parse(hash).view, VIEWS[0]);
});

test("every view is in the page, with its title and link", () => {
  const page = readFileSync(
    new URL("../../../aerostack/web/console/index.html", import.meta.url),
    "utf8",
  );
  for (const view of VIEWS) {
    for (const part of [`href="#${view}"`, `id="${view}"`, `id="${view}-title" tabindex="-1"`]) {
      assert.ok(page.includes(part), part);
    }
  }
});

test("numbers are short and have a unit", () => {
  const cases = [
    [format.count, [0, "0"], [1234, "1,234"], [1234567, "1.23M"], [null, "–"], [NaN, "–"]],
    [format.rate, [0, "0"], [0.333, "0.33"], [9.96, "10"], [12.6, "13"], [1234.5, "1,235"]],
    [format.bytes, [0, "0 B"], [1023, "1023 B"], [1536, "1.5 KiB"], [5 << 20, "5 MiB"], [undefined, "–"]],
    [format.milliseconds, [0, "0 ms"], [0.0434, "43 µs"], [0.1234, "0.12 ms"], [999, "999 ms"], [1234, "1.2 s"]],
    [format.milliseconds, [61_000, "1 min 1 s"], [null, "–"]],
    [format.duration, [0, "0 s"], [-5, "0 s"], [59_900, "59 s"], [3_600_000, "1 h"]],
    [format.duration, [90_061_000, "1 d 1 h"], [3_605_000, "1 h"]],
    [format.age, [3_725_000, "1 h"], [200_000, "3 min"]],
    [(n) => format.plural(n, "frame"), [1, "1 frame"], [0, "0 frames"], [2000, "2,000 frames"]],
  ];
  for (const [write, ...pairs] of cases) {
    for (const [value, text] of pairs) assert.equal(write(value), text);
  }
});

// Several workers

test("the overview names the workers, and those whose numbers are missing", () => {
  assert.deepEqual(workerFacts({}), []);
  const workers = { "worker-1": { connections: 1, lag: 0.002, processor: 5, memory: 60_000_000, deaths: 0 } };
  assert.deepEqual(workerFacts({ workers, missing: ["worker-2"] }), [
    ["Worker-1", `1 connection, late by ${format.milliseconds(2)}, ${format.bytes(60_000_000)}`],
    ["Numbers", "Without those of worker-2, which did not answer", "notice"],
  ]);
});

test("the overview lists the nodes, and marks those that are silent or different", () => {
  assert.deepEqual(nodeFacts({}), []);
  const node = { run: "r1", version: "1", uptime: 3605, heard: 0.2, lag: 0.002, connections: 1 };
  const late = `late by ${format.milliseconds(2)}`;
  assert.deepEqual(
    nodeFacts({
      nodes: [
        { ...node, name: "a", state: "here" },
        { ...node, name: "b", state: "up", differences: ["uses another database"] },
        { ...node, name: "c", state: "silent", heard: 14.2 },
      ],
    }),
    [
      ["a", `this one, 1 connection, ${late}, up 1 h, run r1`, undefined],
      ["b", `heard, 1 connection, ${late}, up 1 h, run r1, uses another database`, "notice"],
      ["c", `not heard, for 14 s, 1 connection, ${late}, up 1 h, run r1`, "notice"],
    ],
  );
});

test("a list says how much of it is shown", () => {
  const whole = { total: 3, more: false };
  assert.equal(described(3, whole, "topic", false), "3 topics.");
  assert.equal(described(2, { total: 3, more: true }, "topic", false), "The first 2 of 3 topics.");
  assert.equal(
    described(2, { total: 3, more: true, atLeast: true, missing: ["w1", "w2"] }, "topic", true),
    "The first 2 of at least 3 topics. Filter to see others." +
      " Without those of w1, w2, which did not answer.",
  );
  assert.equal(described(5, { total: 3, more: false, atLeast: true }, "topic", false), "5 topics.");
});
