/**
 * Answers of the AI SDK that a server writes into a token stream, with a daemon of plain functions.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { createUIMessageStream, jsonSchema, simulateReadableStream, stepCountIs, streamText, tool } from "ai";
import { MockLanguageModelV4 } from "ai/test";

import { ServerSDK } from "../../../aerostack/web/client/server.js";

/** A stream; the operations that its daemon got; and how it was ended. */
async function begin(refusal) {
  const operations = [];
  const ends = [];
  const fetch = async (url, { body }) => {
    const { method, args } = JSON.parse(body);
    if (method === "ai.append" && refusal) return new Response(JSON.stringify(refusal), { status: 409 });
    if (method === "ai.append") operations.push(...args[2]);
    if (method === "ai.end") ends.push(args[2]);
    return new Response(JSON.stringify({ stream: "a1", epoch: 1, lease: 30_000, state: "done" }));
  };
  const sdk = new ServerSDK({ baseUrl: "http://daemon.test", secretKey: "sk_1", fetch });
  return { stream: await sdk.ai.stream("ai-chat/6"), operations, ends };
}

/** The parts as watchers have them: each one's kind and text, and the value that it has. */
function fold(operations) {
  const parts = {};
  for (const { part, kind, at, text, value } of operations) {
    parts[part] ??= { kind };
    if (text !== undefined) parts[part].text = (parts[part].text ?? "").slice(0, at) + text;
    if (value !== undefined) parts[part].value = { ...parts[part].value, ...value };
  }
  return parts;
}

/** Chunks as a server of its own sends them. */
async function* each(...chunks) {
  yield* chunks;
}

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};

test("an answer of streamText with a tool has all its parts", async () => {
  const said = [
    [
      { type: "reasoning-start", id: "0" },
      { type: "reasoning-delta", id: "0", delta: "They ask for " },
      { type: "reasoning-delta", id: "0", delta: "the weather." },
      { type: "reasoning-end", id: "0" },
      { type: "text-start", id: "0" },
      { type: "text-delta", id: "0", delta: "I look. " },
      { type: "text-end", id: "0" },
      { type: "tool-input-start", id: "call 1", toolName: "weather" },
      { type: "tool-input-delta", id: "call 1", delta: '{"city":' },
      { type: "tool-input-delta", id: "call 1", delta: '"Bern"}' },
      { type: "tool-input-end", id: "call 1" },
      { type: "tool-call", toolCallId: "call 1", toolName: "weather", input: '{"city":"Bern"}' },
      { type: "finish", finishReason: { unified: "tool-calls" }, usage },
    ],
    [
      { type: "text-start", id: "0" },
      { type: "text-delta", id: "0", delta: "It is " },
      { type: "text-delta", id: "0", delta: "sunny 😀." },
      { type: "text-end", id: "0" },
      { type: "finish", finishReason: { unified: "stop" }, usage },
    ],
  ];
  const model = new MockLanguageModelV4({
    doStream: async () => ({
      stream: simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, ...said.shift()] }),
    }),
  });
  const weather = tool({
    inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } } }),
    execute: async ({ city }) => ({ city, sky: "clear" }),
  });
  const result = streamText({ model, prompt: "Weather?", tools: { weather }, stopWhen: stepCountIs(2) });
  const { stream, operations, ends } = await begin();
  await stream.pipe(result.toUIMessageStream({ sendReasoning: true }));
  assert.deepEqual(fold(operations), {
    r0: { kind: "reasoning", text: "They ask for the weather." },
    0: { kind: "text", text: "I look. " },
    c0: {
      kind: "tool",
      text: '{"city":"Bern"}',
      value: { name: "weather", input: { city: "Bern" }, output: { city: "Bern", sky: "clear" } },
    },
    1: { kind: "text", text: "It is sunny 😀." },
  });
  assert.deepEqual(ends.map(({ state }) => state), ["done"]);
});

test("data, sources and files are values, and what is transient is not sent", async () => {
  const chunks = createUIMessageStream({
    execute({ writer }) {
      writer.write({ type: "data-sky", id: "sky", data: "grey" });
      writer.write({ type: "data-sky", id: "sky", data: { is: "blue" } });
      writer.write({ type: "data-note", data: 1, transient: true });
      writer.write({ type: "source-url", sourceId: "s 1", url: "https://example.com/", title: "A page" });
      writer.write({ type: "file", url: "https://example.com/a.png", mediaType: "image/png" });
      writer.write({ type: "file", url: "data:image/png;base64,AAAA", mediaType: "image/png" });
      writer.write({ type: "finish" });
    },
  });
  const { stream, operations, ends } = await begin();
  await stream.pipe(chunks);
  const values = Object.entries(fold(operations)).map(([part, { value }]) => [part, value]);
  assert.deepEqual(values, [
    ["sky", { name: "sky", value: { is: "blue" } }],
    ["d0", { name: "source-url", value: { url: "https://example.com/", title: "A page" } }],
    ["d1", { name: "file", value: { url: "https://example.com/a.png", mediaType: "image/png" } }],
  ]);
  assert.equal(ends[0].state, "done");
});

test("a step that is begun again takes its text back", async () => {
  const { stream, operations } = await begin();
  await stream.pipe(
    each(
      { type: "start-step" },
      { type: "text-delta", id: "t", delta: "first " },
      { type: "start-step" },
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "wrong" },
      { type: "reset-step" },
      { type: "text-start", id: "t" },
      { type: "text-delta", id: "t", delta: "right" },
      { type: "finish" },
    ),
  );
  const texts = Object.values(fold(operations)).map(({ text }) => text);
  assert.deepEqual(texts, ["first ", "", "right"]);
});

test("an answer that is not finished has failed", async () => {
  const text = { type: "text-delta", id: "0", delta: "Once" };
  for (const [chunks, reason] of [
    [[text], /in the middle/],
    [[text, { type: "error", errorText: "No quota." }, { type: "finish" }], /^No quota\.$/],
    [[text, { type: "abort", reason: "Closed." }], /^Closed\.$/],
    [[text, { type: "tool-output-error", toolCallId: "c", errorText: "x" }, { type: "abort" }], /stopped/],
  ]) {
    const { stream, operations, ends } = await begin();
    await stream.pipe(each(...chunks));
    assert.equal(fold(operations)[0].text, "Once");
    assert.equal(ends[0].state, "failed");
    assert.match(ends[0].error, reason);
  }
});

test("an error of what is read ends the stream as failed, and is not told to clients", async () => {
  const { stream, ends } = await begin();
  const chunks = (async function* () {
    yield { type: "text-delta", id: "0", delta: "Once" };
    throw new Error("the key is sk-1");
  })();
  await assert.rejects(stream.pipe(chunks), /sk-1/);
  assert.equal(ends[0].state, "failed");
  assert.doesNotMatch(ends[0].error, /sk-1/);
});

test("a stop lets go of a model that says nothing", async () => {
  const ended = { error: "stream_ended", message: "ann cancelled it.", state: "cancelled", by: "ann" };
  const { stream, ends } = await begin(ended);
  let reason;
  const chunks = new ReadableStream({
    start: (controller) => controller.enqueue({ type: "text-delta", id: "0", delta: "Once" }),
    cancel: (given) => (reason = given),
  });
  await assert.rejects(stream.pipe(chunks), { code: "stream_ended", state: "cancelled", by: "ann" });
  assert.equal(reason.by, "ann");
  assert.deepEqual(ends, []);
  // A stream that has ended reads nothing.
  let isLeft = false;
  const silent = { [Symbol.asyncIterator]: () => ({ return: () => (isLeft = true) }) };
  await assert.rejects(stream.pipe(silent), { state: "cancelled" });
  assert.equal(isLeft, true);
});

test("what was read and is not sent is not held until the end", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const { stream } = await begin();
  let first;
  let isHeld = true;
  let count = 0;
  const next = async () => {
    count += 1;
    const value = { type: "data-picture", data: {}, transient: true };
    first ??= new WeakRef(value);
    // A `WeakRef` holds its object until the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    isHeld &&= first.deref() !== undefined;
    return { done: !isHeld || count === 20, value };
  };
  await stream.pipe({ [Symbol.asyncIterator]: () => ({ next }) });
  assert.equal(isHeld, false);
});
