/**
 * The declarations for TypeScript name what is there, and all of it.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ServerSDK } from "../../../aerostack/web/client/server.js";
import { TokenStream } from "../../../aerostack/web/client/serverstream.js";
import * as client from "../../../aerostack/web/client/realtime.js";

const folder = new URL("../../../aerostack/web/client/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const names = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]).sort();

test("every class has the members that are declared", () => {
  const declared = read("realtime.d.ts");
  const classes = names(declared, /^export class (\w+)/gm);
  assert.deepEqual(classes, Object.keys(client).sort());
  for (const name of ["RealtimeClient", "RealtimeSubscription"]) {
    const body = declared.split(new RegExp(`^export class ${name}\\b.*\\{$`, "m"))[1].split(/^\}/m)[0];
    const members = names(body, /^ {2}(?:readonly )?(\w+)[(<?:]/gm);
    const there = Object.getOwnPropertyNames(client[name].prototype).filter((it) => it[0] !== "_");
    assert.deepEqual([...new Set(["constructor", ...members])].sort(), there.sort(), name);
  }
});

test("every member of the SDK for servers is declared", () => {
  const sdk = new ServerSDK({ baseUrl: "http://daemon.test", secretKey: "sk" });
  const body = read("server.d.ts").split("export class ServerSDK {")[1];
  const parts = ["ai", "db", "socket", "user"];
  assert.deepEqual(Object.keys(sdk).sort(), parts);
  const own = Object.getOwnPropertyNames(ServerSDK.prototype);
  assert.deepEqual(names(body, /^ {2}(?:readonly )?(\w+)[(<:]/gm), [...own, ...parts].sort());
  const methods = Object.values({ ...sdk }).flatMap((part) => Object.keys(part));
  assert.deepEqual(names(body, /^ {4}(\w+)[(<]/gm), methods.sort());
});

test("every member of a stream is declared", () => {
  const body = read("server.d.ts").split("export interface TokenStream {")[1].split(/^\}/m)[0];
  const declared = names(body, /^ {2}(?:readonly )?(\w+)[(<:]/gm);
  const own = Object.getOwnPropertyNames(TokenStream.prototype);
  assert.deepEqual(declared, [...own.filter((name) => name !== "constructor"), "id"].sort());
});

test("every option is declared", () => {
  const body = read("realtime.d.ts").split("export interface RealtimeClientOptions {")[1];
  const declared = names(body.split(/^\}/m)[0], /^ {2}(\w+)\??:/gm);
  const source = read("realtime.js");
  const used = new Set([
    ...names(source, /\boptions\.(\w+)/g),
    ...names(source.split("const DEFAULTS = {")[1].split("}")[0], /^ {2}(\w+):/gm),
  ]);
  assert.deepEqual([...used].sort(), declared);
});

test("every hook is declared", () => {
  const functions = /^export function (\w+)/gm;
  const declared = new Set(names(read("react.d.ts"), functions));
  assert.deepEqual(names(read("react.js"), functions), [...declared]);
});
