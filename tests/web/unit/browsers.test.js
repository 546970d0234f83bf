/**
 * The client runs in the browsers that docs/javascript.rst names as the oldest, in code and in what
 * it uses of them.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import "node:http";
import { test } from "node:test";

import { transformSync } from "esbuild";

import { RealtimeClient } from "../../../aerostack/web/client/realtime.js";
import { World, settle } from "./fakes.js";

const folder = new URL("../../../aerostack/web/client/", import.meta.url);
const sources = readdirSync(folder)
  .filter((name) => name.endsWith(".js"))
  .map((name) => [name, readFileSync(new URL(name, folder), "utf8")]);
const docs = readFileSync(new URL("../../../docs/javascript.rst", import.meta.url), "utf8");

/** What one of those browsers lacks, by where it is found. */
const NEWER = {
  "Array.prototype": [
    "findLast", "findLastIndex", "group", "groupToMap", "toReversed", "toSorted", "toSpliced", "with",
  ],
  "String.prototype": ["isWellFormed", "toWellFormed"],
  "Set.prototype": [
    "difference", "intersection", "isDisjointFrom", "isSubsetOf", "isSupersetOf",
    "symmetricDifference", "union",
  ],
  "Map.prototype": ["getOrInsert", "getOrInsertComputed"],
  "Uint8Array.prototype": ["setFromBase64", "setFromHex", "toBase64", "toHex"],
  "ArrayBuffer.prototype": ["resize", "transfer", "transferToFixedLength"],
  "Promise": ["try", "withResolvers"],
  "Object": ["groupBy", "hasOwn"],
  "Map": ["groupBy"],
  "Array": ["fromAsync"],
  "Error": ["isError"],
  "RegExp": ["escape"],
  "JSON": ["isRawJSON", "rawJSON"],
  "Math": ["f16round", "sumPrecise"],
  "URL": ["canParse", "parse"],
  "AbortSignal": ["abort", "any", "timeout"],
  "AbortSignal.prototype": ["reason", "throwIfAborted"],
  "Response": ["json"],
  "crypto": ["randomUUID"],
  "globalThis": [
    "CompressionStream", "Iterator", "Navigation", "Scheduler", "Temporal", "reportError",
    "scheduler", "structuredClone",
  ],
};

/** Words that are names of something older as well. */
const AMBIGUOUS = new Set([
  "abort", "any", "escape", "json", "parse", "reason", "timeout", "try", "with",
]);

/** The code of a file, without comments. */
const codeOf = (text) => transformSync(text, { legalComments: "none", target: "esnext" }).code;

test("the oldest browsers know the syntax", () => {
  const [, chrome, firefox, safari] =
    /Chrome and Edge (\d+), Firefox (\d+), Safari ([\d.]+)/.exec(docs);
  const target = [`chrome${chrome}`, `firefox${firefox}`, `safari${safari}`];
  assert.deepEqual(target, ["chrome92", "firefox90", "safari15.4"]);
  for (const [name, text] of sources) {
    assert.equal(transformSync(text, { target }).code, codeOf(text), name);
    // It is no syntax for esbuild, but for Safari before 16.4.
    assert.doesNotMatch(codeOf(text), /\(\?<[=!]/, name);
  }
});

test("the client names nothing that the oldest browsers lack", () => {
  const names = Object.values(NEWER).flat().filter((name) => !AMBIGUOUS.has(name));
  const pattern = new RegExp(`\\b(${names.join("|")})\\b`, "g");
  for (const [name, text] of sources) assert.deepEqual(codeOf(text).match(pattern), null, name);
  const called = new RegExp(
    `\\b(${["URL", "AbortSignal", "Promise", "Response", "RegExp"].join("|")})\\.(\\w+)`, "g",
  );
  for (const [name, text] of sources) {
    for (const [, owner, member] of codeOf(text).matchAll(called)) {
      assert.ok(!NEWER[owner]?.includes(member), `${name}: ${owner}.${member}`);
    }
  }
});

test("the client works without what the oldest browsers lack", async (t) => {
  const world = new World(t);
  // Node.js loads what is behind these when they are looked at, and needs what is taken away.
  for (const name of Object.getOwnPropertyNames(globalThis)) void globalThis[name];
  for (const [where, names] of Object.entries(NEWER)) {
    const owner = where.split(".").reduce((it, name) => it?.[name], globalThis);
    for (const name of names) {
      const before = owner && Object.getOwnPropertyDescriptor(owner, name);
      if (!before?.configurable) continue;
      delete owner[name];
      t.after(() => Object.defineProperty(owner, name, before));
    }
  }
  assert.throws(() => new RealtimeClient({ baseUrl: "nowhere", projectId: "p" }), {
    code: "invalid_url",
  });
  const client = world.client();
  const channel = client.channel("chat/x").subscribe();
  const published = channel.publish("e", "half no more 👍");
  await settle();
  await world.socket.open();
  const [, { id }] = world.socket.take();
  await world.socket.say({ type: "ack", id });
  await published;
  world.answer = { status: 200, body: { messages: [] } };
  assert.deepEqual(await channel.getHistory(), []);
  client.disconnect();
});
