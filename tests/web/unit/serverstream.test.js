/**
 * Token streams that a server writes, with a daemon of plain functions.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Draft } from "../../../aerostack/web/client/draft.js";
import { ServerSDK, StreamEnded } from "../../../aerostack/web/client/server.js";

const STARTED = { stream: "a1", epoch: 1, lease: 30_000, length: {} };

/** An SDK whose daemon answers so, by method; and the calls. */
function make(answers = {}) {
  const calls = [];
  const fetch = async (url, { body }) => {
    const { method, args } = JSON.parse(body);
    calls.push([method, ...args]);
    const usual = method === "ai.start" ? STARTED : { stream: "a1", state: "done", kept: true };
    const given = answers[method]?.shift?.() ?? usual;
    return new Response(JSON.stringify(given), { status: given.error ? 409 : 200 });
  };
  return { sdk: new ServerSDK({ baseUrl: "http://daemon.test", secretKey: "sk_1", fetch }), calls };
}

/** What arrives at the daemon if it takes operations: the text by part. */
function texts(calls) {
  const found = {};
  for (const [method, , , operations] of calls) {
    if (method !== "ai.append") continue;
    for (const { part, at, text, value } of operations) {
      found[part] = value ?? (found[part] ?? "").slice(0, at) + text;
    }
  }
  return found;
}

test("what is written goes out in few requests, and the end says how much it was", async () => {
  const { sdk, calls } = make();
  const stream = await sdk.ai.stream("ai-chat/6", { owner: "ann" });
  assert.equal(stream.id, "a1");
  for (const token of ["Once ", "upon ", "a ", "time 🕰"]) await stream.write(token);
  stream.reason("hm");
  stream.tool("c1", "search", { input: 1 });
  stream.data("d1", "source", [1]);
  assert.deepEqual(await stream.end({ tokens: 4 }), { stream: "a1", state: "done", kept: true });
  const [[start, topic, { producer, stream: id, ...options }]] = calls;
  assert.deepEqual([start, topic, options], ["ai.start", "ai-chat/6", { owner: "ann" }]);
  for (const name of [producer, id]) assert.match(name, /^\w{10,}$/);
  assert.deepEqual(texts(calls), {
    0: "Once upon a time 🕰",
    reasoning: "hm",
    c1: { name: "search", input: 1 },
    d1: { name: "source", value: [1] },
  });
  assert.ok(calls.length <= 4, `${calls.length} requests`);
  const whole = { length: { 0: 19, reasoning: 2 } };
  assert.deepEqual(calls.at(-1), ["ai.end", "a1", 1, { state: "done", usage: { tokens: 4 }, ...whole }]);
  await assert.rejects(stream.write("more"), { code: "stream_ended", state: "done" });
  await assert.rejects(stream.end(), StreamEnded);
  assert.equal(stream.signal.aborted, false);
});

test("a cancelled stream aborts its signal, and takes nothing more", async () => {
  const refusal = { error: "stream_ended", message: "ann cancelled it.", state: "cancelled", by: "ann" };
  const { sdk, calls } = make({ "ai.append": [refusal] });
  const stream = await sdk.ai.stream("ai-chat/6");
  const told = new Promise((resolve) => stream.signal.addEventListener("abort", resolve));
  await stream.write("Once");
  await told;
  const { code, state, by } = stream.signal.reason;
  assert.deepEqual([code, state, by], ["stream_ended", "cancelled", "ann"]);
  // Without anything that waits for it, this rejection ends no program.
  stream.write("upon");
  await assert.rejects(stream.write("a time"), StreamEnded);
  await assert.rejects(stream.end(), { state: "cancelled" });
  await stream.close();
  assert.deepEqual(calls.map(([method]) => method), ["ai.start", "ai.append"]);
});

test("a stream that a block leaves without its end has failed", async () => {
  const { sdk, calls } = make();
  const stream = await sdk.ai.stream("ai-chat/6");
  await stream.write("Once");
  await stream[Symbol.asyncDispose]();
  await stream.close();
  const [method, , , options] = calls.at(-1);
  assert.deepEqual([method, options.state, options.length], ["ai.end", "failed", { 0: 4 }]);
  assert.match(options.error, /did not finish/);
  const ended = await sdk.ai.stream("ai-chat/6");
  await ended.fail("x".repeat(2000));
  assert.equal(calls.at(-1)[3].error.length, 1000);
});

test("text that a restarted daemon has lost goes out again", async () => {
  const lost = (length) => ({ error: "stream_gap", message: "Text is missing.", length: { 0: length } });
  const { sdk, calls } = make({ "ai.append": [{}, lost(2)], "ai.end": [lost(3)] });
  const stream = await sdk.ai.stream("ai-chat/6");
  await stream.write("Once ");
  await new Promise((resolve) => setImmediate(resolve));
  await stream.write("upon");
  assert.equal((await stream.end()).state, "done");
  const sent = calls.filter(([method]) => method === "ai.append");
  const places = sent.map(([, , , operations]) => operations.map(({ at, text }) => [at, text]));
  assert.deepEqual(places, [
    [[0, "Once "]],
    [[5, "upon"]],
    [
      [2, "ce "],
      [5, "upon"],
    ],
    [
      [3, "e "],
      [5, "upon"],
    ],
  ]);
});

test("a silent producer says that it is there", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { sdk, calls } = make({ "ai.beat": [{ error: "database_error", message: "No." }] });
  const stream = await sdk.ai.stream("ai-chat/6");
  for (let count = 1; count <= 2; count += 1) {
    t.mock.timers.tick(10_000);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(calls.length, 1 + count);
    assert.deepEqual(calls.at(-1), ["ai.beat", "a1", 1]);
  }
  await stream.end();
  assert.equal(calls.at(-1)[0], "ai.end");
});

test("a writer that is faster than the daemon waits", async () => {
  let take;
  const { sdk } = make({ "ai.append": { shift: () => undefined } });
  const stream = await sdk.ai.stream("ai-chat/6");
  let isWritten = false;
  take = stream.write("x".repeat(1_100_000)).then(() => (isWritten = true));
  await Promise.resolve();
  assert.equal(isWritten, false);
  await take;
  await stream.end();
});

test("a stream waits for the daemon that takes it over", async (t) => {
  const times = [0, 0, 0, 0, 15_000, 15_000, 15_000];
  const refusal = { error: "engine_unavailable", message: "Another daemon takes it over.", retryAfter: 1 };
  const { sdk, calls } = make({ "ai.get": [refusal, refusal] });
  t.mock.method(performance, "now", () => times.shift() ?? 16_000);
  assert.equal((await sdk.ai.get("a1")).state, "done");
  assert.equal(calls.length, 3);
});

test("what cannot be written is refused, and the stream goes on", async () => {
  const { sdk, calls } = make();
  const stream = await sdk.ai.stream("ai-chat/6");
  await assert.rejects(stream.write({ token: "a" }), TypeError);
  await assert.rejects(stream.write("\ud83d"), { code: "invalid_data" });
  await assert.rejects(stream.data("d", "n", 10n), { code: "invalid_data" });
  await assert.rejects(stream.write("a", { reset: 1 }), RangeError);
  await stream.write("a😀b");
  await assert.rejects(stream.write("c", { reset: 2 }), /within a character/);
  await stream.write("c", { reset: 1 });
  await stream.end();
  assert.deepEqual(texts(calls), { 0: "ac" });
  // A daemon that has lost the first one refuses text of the second one.
  assert.deepEqual(calls.at(-1)[3].edition, { 0: 2 });
});

test("a part that the daemon refuses ends the stream as failed at once", async () => {
  const refusal = { error: "too_large", message: "The value has too many bytes." };
  const unknown = { error: "stream_unknown", message: "No stream a1 runs here." };
  for (const ends of [[], [unknown]]) {
    const { sdk, calls } = make({ "ai.append": [refusal], "ai.end": ends });
    const stream = await sdk.ai.stream("ai-chat/6");
    await stream.data("d", "rows", []);
    await assert.rejects(stream.end(), { code: "too_large" });
    await assert.rejects(stream.write("more"), { code: "too_large" });
    const [, , end, ...more] = calls;
    const reason = "The daemon refused a part of it: too_large.";
    assert.deepEqual(end, ["ai.end", "a1", 1, { state: "failed", error: reason }]);
    assert.deepEqual(more, []);
    assert.equal(stream.signal.reason.code, "too_large");
  }
});

test("an end that cannot be sent ends nothing", async () => {
  const { sdk, calls } = make();
  const stream = await sdk.ai.stream("ai-chat/6");
  await assert.rejects(stream.end({ tokens: 10n }), { code: "invalid_data" });
  await stream.write("on");
  // The cut is within the second emoji.
  await stream.fail(`😀${"x".repeat(997)}😀`);
  assert.deepEqual(texts(calls), { 0: "on" });
  assert.equal(calls.at(-1)[3].error, `😀${"x".repeat(997)}\ufffd`);
});

test("a long text is cut between characters", () => {
  const draft = new Draft();
  draft.write("0", "text", `x${"😀".repeat(20_000)}`);
  const pieces = [];
  while (draft.isPending) {
    pieces.push(...draft.take());
    draft.taken();
  }
  assert.equal(draft.waiting, 0);
  assert.deepEqual(pieces.map(({ at }) => at), [0, 16_383, 32_767]);
  for (const { text } of pieces) assert.ok(text.length <= 16_384 && !/^[\udc00-\udfff]/.test(text));
  assert.equal(pieces.map(({ text }) => text).join("").length, 40_001);
});

test("streams are read, cancelled and relayed by calls that may be repeated", async () => {
  const { sdk, calls } = make();
  await sdk.ai.cancel("a1");
  await sdk.ai.get("a1");
  await sdk.ai.relay("ai-chat/6", { messages: [] }, { owner: "ann" });
  const [, , [method, topic, request, { stream, owner }]] = calls;
  assert.deepEqual([method, topic, request, owner], ["ai.relay", "ai-chat/6", { messages: [] }, "ann"]);
  assert.match(stream, /^\w{10,}$/);
});

test("a stream without options may be begun and relayed with null in their place", async () => {
  const { sdk, calls } = make();
  await (await sdk.ai.stream("ai-chat/6", null)).end();
  await sdk.ai.relay("ai-chat/6", { messages: [] }, null);
  for (const { stream } of [calls[0][2], calls.at(-1)[3]]) assert.match(stream, /^\w{10,}$/);
});
