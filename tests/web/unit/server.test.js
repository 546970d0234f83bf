/**
 * The SDK for servers, with a daemon of plain functions.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { RealtimeError, retryDelay, ServerSDK } from "../../../aerostack/web/client/server.js";

const BASE = { baseUrl: "http://daemon.test", secretKey: "sk_1" };

/** An SDK whose requests get these answers, one after the other; and the requests. */
function make(answers, options = {}) {
  const asked = [];
  const fetch = async (url, init) => {
    asked.push({ url, ...init, body: init.body && JSON.parse(init.body) });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    const [status, body] = answer;
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
  };
  return { sdk: new ServerSDK({ ...BASE, ...options, fetch }), asked };
}

const refusedConnection = () =>
  new TypeError("fetch failed", {
    cause: Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }),
  });

test("a call is the daemon's RPC, with the secret key", async () => {
  const { sdk, asked } = make([
    [200, { success: true }],
    [200, { success: true, id: "m1", created_at: 5 }],
    [200, { success: true, results: [{ n: 1 }], meta: {} }],
    [200, { success: true, connections: 2 }],
    [200, { success: true, until: 9 }],
  ]);
  await sdk.socket.emit("order:updated", { id: 1 }, "orders");
  const kept = await sdk.socket.emit("message", "hi", "chat/a", { persist: true, userId: "bot" });
  assert.equal(kept.id, "m1");
  const { results } = await sdk.db.query("SELECT ? AS n", [1, new Uint8Array([0, 255])]);
  assert.deepEqual(results, [{ n: 1 }]);
  await sdk.user.disconnect("ann", { reason: "bye" });
  await sdk.user.revoke("ann", { seconds: 60 });
  assert.deepEqual(
    asked.map(({ body: { method, args } }) => [method, ...args]),
    [
      ["socket.emit", "order:updated", { id: 1 }, "orders"],
      ["socket.emit", "message", "hi", "chat/a", { persist: true, userId: "bot" }],
      ["db.query", "SELECT ? AS n", [1, { base64: "AP8=" }]],
      ["user.disconnect", "ann", { reason: "bye" }],
      ["user.revoke", "ann", { seconds: 60 }],
    ],
  );
  for (const { url, method, headers } of asked) {
    assert.deepEqual([url, method], ["http://daemon.test/internal/hooks/rpc", "POST"]);
    assert.equal(headers.Authorization, "Bearer sk_1");
  }
});

test("a list of events goes with one request", async () => {
  const answer = {
    success: false,
    results: [{ success: true }, { success: false, error: "invalid_topic", message: "No." }],
  };
  const { sdk, asked } = make([[200, answer]]);
  const events = [
    { event: "a", data: 1, topic: "chat/a", persist: true },
    { event: "b", data: null, topic: "" },
  ];
  assert.deepEqual(await sdk.socket.emitAll(events), answer);
  assert.deepEqual(asked[0].body, { method: "socket.emit", args: [events] });
});

test("an event without data has the data null, in a list, too", async () => {
  const { sdk, asked } = make([[200, { success: true }], [200, { success: true, results: [] }]]);
  await sdk.socket.emit("typing", undefined, "chat/a");
  await sdk.socket.emitAll([{ event: "typing", data: undefined, topic: "chat/a" }]);
  const [alone, list] = asked.map(({ body }) => body.args);
  assert.deepEqual(alone, ["typing", null, "chat/a"]);
  assert.deepEqual(list, [[{ event: "typing", data: null, topic: "chat/a" }]]);
});

test("a page of the history comes from the daemon", async () => {
  const { sdk, asked } = make([[200, { messages: [{ id: "m1" }] }]]);
  assert.deepEqual(await sdk.getHistory("chat/a b", 10, 77), [{ id: "m1" }]);
  const path = "/api/v1/public/realtime/history?room=chat%2Fa+b&limit=10&before=77";
  assert.equal(asked[0].url, `http://daemon.test${path}`);
  assert.equal(asked[0].headers["X-Aerostack-Key"], "sk_1");
});

test("a refusal has the code and the details of the daemon", async () => {
  const stale = { error: "stale", message: "It has changed.", pos: "e:4", data: { x: 1 } };
  const { sdk } = make([[409, stale], [404, "<html>"]]);
  const emit = () => sdk.socket.emit("set", 1, "state/board", { key: "a", ifPos: "e:3" });
  await assert.rejects(emit, (error) => {
    assert.ok(error instanceof RealtimeError);
    const { code, message, pos, data } = error;
    assert.deepEqual({ error: code, message, pos, data }, stale);
    return true;
  });
  await assert.rejects(emit, { code: "wrong_server" });
});

test("what cannot be sent is refused without a request", async () => {
  const { sdk, asked } = make([]);
  await assert.rejects(sdk.socket.emit("a", "\ud800", "chat/a"), { code: "invalid_data" });
  await assert.rejects(sdk.db.query("SELECT ?", [10n]), { code: "invalid_data" });
  await assert.rejects(sdk.db.query("SELECT ?", "a"), /params is a list/);
  const wrong = [
    [sdk.explain(), "userId is text, not undefined."],
    [sdk.explain("ann", null), "topic is text, not null."],
    [sdk.getHistory(), "topic is text, not undefined."],
    [sdk.socket.emit(undefined, 1, "chat/a"), "event is text, not undefined."],
    [sdk.socket.emit("a", 1), "topic is text, not undefined."],
    [sdk.db.query(), "sql is text, not undefined."],
    [sdk.user.disconnect(), "userId is text, not undefined."],
    [sdk.user.revoke(5, { seconds: 1 }), "userId is text, not number."],
    [sdk.ai.stream(), "topic is text, not undefined."],
    [sdk.ai.relay(null, {}), "topic is text, not null."],
    [sdk.ai.cancel(), "stream is text, not undefined."],
    [sdk.ai.get(), "stream is text, not undefined."],
  ];
  for (const [call, message] of wrong) {
    await assert.rejects(call, { code: "invalid_arguments", message });
  }
  assert.deepEqual(asked, []);
  for (const secretKey of [undefined, "", "sk_1\n"]) {
    assert.throws(() => new ServerSDK({ ...BASE, secretKey }), { code: "no_secret_key" });
  }
  assert.throws(() => new ServerSDK({ ...BASE, baseUrl: "rt" }), { code: "invalid_url" });
  assert.throws(() => new ServerSDK(), { code: "invalid_url" });
});

test("a call is made again only if the daemon has not acted on it", async () => {
  const { sdk, asked } = make([
    refusedConnection(),
    [429, { error: "rate_limited", message: "Slow down.", retryAfter: 1 }],
    [200, { success: true }],
    new TypeError("fetch failed", { cause: new Error("other side closed") }),
  ]);
  await sdk.socket.emit("a", 1, "chat/a");
  assert.equal(asked.length, 3);
  await assert.rejects(sdk.socket.emit("a", 1, "chat/a"), { code: "unreachable" });
  assert.equal(asked.length, 4);
});

test("the pauses grow, and go by what the daemon says", () => {
  const late = new RealtimeError("overloaded", "", { retryAfter: 3000 });
  assert.equal(retryDelay(late, 1, false), 3000);
  const gone = new RealtimeError("database_unavailable", "");
  assert.equal(retryDelay(gone, 1, false), null);
  assert.deepEqual([1, 2, 3, 9].map((n) => retryDelay(gone, n, true)), [200, 400, 800, 2000]);
  assert.equal(retryDelay(new RealtimeError("sql_error", ""), 1, true), null);
});

test("a call ends when its time is over", async () => {
  const { sdk, asked } = make([refusedConnection()], { timeout: 100 });
  await assert.rejects(sdk.db.query("SELECT 1"), {
    code: "unreachable",
    message: "http://daemon.test cannot be reached: it does not answer (connect ECONNREFUSED).",
  });
  assert.equal(asked.length, 1);
});

test("a server that does not answer does not hold a call", async (t) => {
  const silent = createServer(() => {});
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const baseUrl = `http://127.0.0.1:${silent.address().port}`;
  const sdk = new ServerSDK({ ...BASE, baseUrl, timeout: 50 });
  await assert.rejects(sdk.db.query("SELECT 1"), { code: "unreachable" });
});

test("onError gets the error of a call that the program does not wait for", async () => {
  const errors = [];
  const refusal = [403, { error: "forbidden", message: "No." }];
  const { sdk } = make([refusal, refusal], { onError: (error) => errors.push(error.code) });
  sdk.socket.emit("a", 1, "chat/a");
  await assert.rejects(sdk.socket.emit("a", 1, "chat/a"), { code: "forbidden" });
  assert.deepEqual(errors, ["forbidden", "forbidden"]);
});

test("a refused statement has its kind and the database's code", async () => {
  const refusal = { error: "sql_error", message: "No.", kind: "unique_violation", sqlstate: "23505" };
  const { sdk, asked } = make([[400, refusal]]);
  const params = [[1, new Uint8Array([0, 255])]];
  await assert.rejects(sdk.db.query("SELECT 1 = ANY(?)", params), {
    code: "sql_error",
    kind: "unique_violation",
    sqlstate: "23505",
  });
  assert.deepEqual(asked[0].body.args[1], [[1, { base64: "AP8=" }]]);
});

test("each kind of call has a time of its own", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const fetch = (url, { signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const sdk = new ServerSDK({ ...BASE, fetch });
  for (const [call, time] of [
    [() => sdk.socket.emit("a", 1, "chat/a"), 3_000],
    [() => sdk.db.query("SELECT 1"), 35_000],
    [() => sdk.user.disconnect("ann"), 10_000],
  ]) {
    let isOver = false;
    const waiting = assert.rejects(call(), { code: "unreachable" }).then(() => (isOver = true));
    t.mock.timers.tick(time - 1_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isOver, false);
    t.mock.timers.tick(1_000);
    await waiting;
  }
});
