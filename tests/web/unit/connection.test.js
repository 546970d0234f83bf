/**
 * The connection: how it begins, how it ends, and how it comes back.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { RealtimeClient } from "../../../aerostack/web/client/realtime.js";
import { World, collector, event, settle, subscribed } from "./fakes.js";

const PONG = { type: "pong" };

/** The credentials that an opening offers; beside them there are the session and the protocol. */
function credentials({ protocols }) {
  const [session, version] = protocols.slice(-2);
  assert.match(session, /^aerostack-session\.[\w-]{32}$/);
  assert.equal(version, "aerostack-v1");
  return protocols.slice(0, -2);
}

/** End a connection as the daemon does when its token does not hold. */
async function expire(socket, code = "token_expired") {
  await socket.say({ type: "error", code, message: "The token expired." });
  await socket.end(4001, code);
}

test("opens as the public clients do, with credentials as subprotocols", async (t) => {
  const world = new World(t);
  await world.connect(world.client({ baseUrl: "https://rt.test/v1/", userId: "ann b" }));
  assert.equal(world.socket.url, "wss://rt.test/api/realtime?projectId=p&userId=ann+b");
  assert.deepEqual(credentials(world.socket), []);
  await world.connect(
    world.client({ baseUrl: undefined, serverUrl: "ws://rt.test/sub/", apiKey: "pk", token: "a.b.c" }),
  );
  assert.equal(world.socket.url, "ws://rt.test/sub/api/realtime?projectId=p");
  assert.deepEqual(credentials(world.socket), ["aerostack-key.pk", "aerostack-token.a.b.c"]);
});

test("in a page the daemon is where the page is, if nothing else is said", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "location", { origin: "https://app.test" });
  await world.connect(world.client({ baseUrl: undefined }));
  assert.equal(world.socket.url, "wss://app.test/api/realtime?projectId=p");
});

test("says what is wrong with the options", (t) => {
  const world = new World(t);
  for (const baseUrl of [undefined, "", "rt.test", "ftp://rt.test", "null"]) {
    assert.throws(() => world.client({ baseUrl }), { name: "RealtimeError", code: "invalid_url" });
  }
  for (const projectId of [undefined, "", 1]) {
    assert.throws(() => world.client({ projectId }), { code: "no_project" });
  }
  assert.throws(() => world.client({ onError: "x" }), TypeError);
  assert.throws(() => new RealtimeClient(), { code: "invalid_url" });
});

test("tells each change of its status, to those who still want to know", async (t) => {
  const world = new World(t);
  const client = world.client();
  const first = collector();
  const second = collector();
  const end = client.onStatusChange((status) => first(status));
  client.onStatusChange((status) => second(status));
  assert.equal(client.status, "idle");
  await world.connect(client);
  assert.equal(client.connected, true);
  end();
  await world.socket.end(1006);
  await world.comeBack();
  client.disconnect();
  client.disconnect();
  assert.deepEqual(first.got, ["connecting", "connected"]);
  assert.deepEqual(second.got, [
    "connecting", "connected", "reconnecting", "connected", "disconnected",
  ]);
});

test("connects once, however often it is asked to", async (t) => {
  const world = new World(t);
  const client = world.client();
  const both = Promise.all([client.connect(), client.connect()]);
  await settle();
  await world.socket.open();
  await both;
  await client.connect();
  assert.equal(world.sockets.length, 1);
});

test("who disconnects in the same breath has opened nothing", async (t) => {
  const world = new World(t);
  const client = world.client();
  const opening = client.connect();
  client.disconnect();
  await assert.rejects(opening, { code: "disconnected" });
  await settle();
  assert.equal(world.sockets.length, 0);
  client.connect();
  client.disconnect();
  client.connect();
  await settle();
  assert.equal(world.sockets.length, 1);
});

test("a callback may disconnect and connect as it likes", async (t) => {
  const world = new World(t);
  const client = world.client();
  const channel = client.channel("chat/x").subscribe();
  const statuses = collector();
  let again;
  client.onStatusChange((status) => {
    statuses(status);
    if (status === "disconnected") again = client.connect();
  });
  await settle();
  channel.onStateChange(() => client.disconnect());
  await world.socket.open();
  await world.socket.say({ type: "subscribed", topic: channel.topic, pos: "1" });
  channel.unsubscribe();
  await world.socket.open();
  await again;
  assert.deepEqual(statuses.got, ["connected", "disconnected", "connecting", "connected"]);
  world.socket.onclose({ code: 1006 });
  client.disconnect();
  await settle();
  await world.socket.open();
  await again;
});

test("leaves nothing behind when it is disconnected", async (t) => {
  const world = new World(t);
  const { client, socket } = await subscribed(world);
  await socket.end();
  await world.comeBack();
  client.disconnect();
  assert.equal(world.socket.isClosed, true);
  assert.equal(world.clock.pending, 0);
  assert.deepEqual(world.events.listeners, []);
  await world.clock.advance(1_000_000);
  assert.equal(world.sockets.length, 2);
  assert.equal(client.status, "disconnected");
});

test("waits longer and longer, any time up to a bound", async (t) => {
  const world = new World(t);
  const client = world.client({ reconnectDelay: 100, maxReconnectDelay: 1000 });
  const delays = [];
  client.onStatusChange((status, { delay }) => delays.push(delay));
  client.connect();
  await settle();
  for (let n = 0; n < 6; n++) {
    await world.socket.end();
    await world.clock.advance(1000);
  }
  // Half of the bound, as chance has it here.
  assert.deepEqual(delays, [undefined, 50, 100, 200, 400, 500, 500]);
  t.mock.method(Math, "random", () => 0);
  await world.socket.end();
  assert.equal(delays.at(-1), 0);
});

test("a server that closes at once is not asked more and more often", async (t) => {
  const world = new World(t);
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delay === undefined || delays.push(delay));
  await world.connect(client);
  for (let n = 0; n < 4; n++) {
    await world.socket.say(PONG);
    await world.socket.end();
    await world.comeBack();
  }
  assert.deepEqual(delays, [500, 1000, 2000, 4000]);
  // One that held makes a new beginning.
  await world.socket.say(PONG);
  await world.clock.advance(5000);
  await world.socket.end();
  assert.equal(delays.at(-1), 500);
});

test("comes back when the daemon said", async (t) => {
  const world = new World(t);
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delay === undefined || delays.push(delay));
  await world.connect(client);
  await world.socket.say({ type: "reconnect", delay: 4711, reason: "restart" });
  await world.socket.end(1001, "restarting; reconnect in 9 ms");
  await world.clock.advance(4710);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
  await world.socket.end(1001, "restarting; reconnect in 1234 ms");
  await world.comeBack();
  // What is no delay is none.
  await world.socket.say({ type: "reconnect", delay: "soon" });
  await world.socket.end(1001);
  assert.deepEqual(delays, [4711, 1234, 2000]);
});

test("comes back after some closes and not after others", async (t) => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 4002, 4008, 4999]) {
    const world = new World(t);
    const client = world.client();
    await world.connect(client);
    await world.socket.end(code);
    await world.comeBack();
    assert.equal(client.status, "connected", code);
    assert.deepEqual(world.codes, []);
    client.disconnect();
  }
  for (const code of [1000, 1002, 1003, 1007, 4009, 4029]) {
    const world = new World(t);
    const client = world.client();
    await world.connect(client);
    const lost = client.channel("chat/x").publish("e");
    await world.socket.end(code, "enough");
    await world.clock.advance(1_000_000);
    assert.equal(world.sockets.length, 1, code);
    assert.equal(client.status, "disconnected");
    assert.equal(world.errors[0].closeCode, code);
    assert.match(world.errors[0].message, /enough/);
    await assert.rejects(lost, { code: "closed" });
    await world.connect(client);
    assert.equal(client.status, "connected");
    client.disconnect();
  }
});

test("gives up after as many attempts as it was told", async (t) => {
  const world = new World(t);
  const client = world.client({ maxReconnectAttempts: 2 });
  const told = collector();
  const untold = collector();
  client.onMaxRetriesExceeded(() => told("gave up"));
  client.onMaxRetriesExceeded(untold)();
  await world.connect(client);
  for (let n = 0; n < 2; n++) {
    await world.socket.end();
    await world.comeBack();
  }
  await world.socket.end();
  await world.clock.advance(1_000_000);
  assert.equal(world.sockets.length, 3);
  assert.deepEqual([told.got, untold.got], [["gave up"], []]);
  assert.deepEqual(world.codes, ["max_retries"]);
  assert.equal(client.status, "disconnected");
  await world.connect(client);
  assert.equal(client.status, "connected");
});

test("a server that never answers is given up, and asked again", async (t) => {
  const world = new World(t);
  const client = world.client();
  const opening = client.connect();
  await world.clock.advance(10_000);
  await assert.rejects(opening, { code: "no_answer" });
  assert.equal(world.sockets[0].isClosed, true);
  assert.equal(client.status, "reconnecting");
  // It comes too late.
  assert.equal(world.sockets[0].onopen, null);
  await world.comeBack();
  assert.equal(client.status, "connected");
  assert.deepEqual(world.codes, ["no_answer"]);
});

test("a connection that is silent is asked, and given up if it does not answer", async (t) => {
  const world = new World(t);
  const client = world.client();
  await world.connect(client);
  await world.socket.say(PONG);
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), []);
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  await world.socket.say({ type: "pong" });
  await world.clock.advance(10_000);
  assert.equal(client.status, "connected");
  await world.clock.advance(25_000);
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  // This is not what the daemon answers.
  await world.socket.say({ type: "ping" });
  await world.clock.advance(10_000);
  assert.equal(client.status, "reconnecting");
  assert.deepEqual(world.codes, ["no_answer"]);
});

test("nonsense is told once, and the client goes on behind it", async (t) => {
  for (const [nonsense, topic, pos] of [
    ["<html>"], [""], ["null"], ["[]"], ["7"], ["{}"], ['{"type": 7}'], ['{"type": "db_change"}'],
    ['{"type":"event","topic":"chat/x/p","event":"e","data":1e', "chat/x/p"],
    ['{"type": "event", "topic": "chat/x/p", "pos": "2"}', "chat/x/p", "2"],
    ['{"type": "event", "topic": "chat/x/p", "event": "presence:sync", "data": null}', "chat/x/p"],
    ['{"type": "snapshot", "topic": "chat/x/p", "rows": [null], "pos": "2"}', "chat/x/p", "2"],
    [new ArrayBuffer(4)],
  ]) {
    const world = new World(t);
    const { client, channel, socket } = await subscribed(world);
    const seen = collector();
    channel.on("*", seen);
    await socket.sayText(nonsense);
    await socket.sayText(nonsense);
    assert.equal(client.status, "connected", nonsense);
    assert.deepEqual(world.codes, ["invalid_frame"], nonsense);
    assert.equal(world.errors[0].topic, topic);
    await socket.say(event(channel.topic, "e", 1));
    assert.equal(seen.got.length, 1);
    await socket.end();
    await world.comeBack();
    assert.equal(world.socket.take()[0].since, pos ?? "1");
    client.disconnect();
  }
});

test("what a newer daemon may say is no nonsense", async (t) => {
  const world = new World(t);
  const { client } = await subscribed(world);
  await world.socket.say({ type: "weather", topic: "chat/x/p" }, { type: "ack", id: "whose" });
  await world.socket.say({ type: "event", topic: "nobody/p", event: "e", data: 1 });
  assert.equal(client.status, "connected");
  assert.deepEqual(world.errors, []);
});

test("finds out why it was not let in", async (t) => {
  const refusal = (status, error, more) => ({ status, body: { error, message: "No.", ...more } });
  for (const [answer, code] of [
    [refusal(401, "unauthorized"), "unauthorized"],
    [refusal(404, "unknown_project"), "unknown_project"],
    [refusal(400, "invalid_topic"), "refused"],
    [{ status: 200, body: { messages: [] } }, "refused"],
    [{ status: 404, body: undefined }, "wrong_server"],
    [{ status: 200, body: undefined }, "wrong_server"],
    [new TypeError("failed to fetch"), "unreachable"],
  ]) {
    const world = new World(t);
    world.answer = answer;
    const client = world.client({ apiKey: "pk" });
    const opening = client.connect();
    await settle();
    await world.socket.end();
    await assert.rejects(opening, { code });
    assert.equal(world.requests[0].headers["X-Aerostack-Key"], "pk");
    assert.equal(client.status, "reconnecting");
    // Said once, as long as it stays like that.
    await world.clock.advance(1000);
    await world.socket.end();
    assert.deepEqual(world.codes, [code]);
    client.disconnect();
  }
});

test("who is refused for a while comes back after that while", async (t) => {
  const world = new World(t);
  world.answer = { status: 429, body: { error: "rate_limited", message: "No.", retryAfter: 7000 } };
  world.client().connect();
  await settle();
  await world.socket.end();
  await world.clock.advance(6999);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
});

test("a page whose origin is not let in is told so", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "location", { origin: "https://app.test" });
  world.answer = new TypeError("failed to fetch");
  world.client().connect();
  await settle();
  await world.socket.end();
  assert.match(world.errors[0].message, /pages of https:\/\/app\.test in \(projects\.<id>\.origins\)/);
});

test("a token that expires is renewed, and the connection goes on", async (t) => {
  const world = new World(t);
  let renewals = 0;
  const codes = [];
  const { client, topic } = await subscribed(world, "chat/x", {
    client: {
      token: "old",
      onTokenExpired: async ({ code }) => {
        codes.push(code);
        return `new${++renewals}`;
      },
    },
  });
  await world.clock.advance(5000);
  await expire(world.socket);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new1"]);
  await world.socket.open();
  assert.deepEqual(world.socket.take(), [{ type: "subscribe", sync: true, topic, since: "1" }]);
  // If that one is refused as well, time passes in between.
  await expire(world.socket, "invalid_token");
  assert.equal(world.sockets.length, 2);
  assert.equal(renewals, 2);
  await world.comeBack(1000);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new2"]);
  assert.deepEqual(codes, ["token_expired", "invalid_token"]);
  assert.deepEqual(world.errors, []);
  assert.equal(client.status, "connected");
});

test("a token that had expired when it came back is renewed", async (t) => {
  const world = new World(t);
  world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
  const client = world.client({ token: "old" });
  const asked = collector();
  client.onTokenExpired((error) => {
    asked(error.code);
    client.setToken("new");
  });
  const opening = client.connect();
  await settle();
  await world.socket.end();
  assert.deepEqual(asked.got, ["token_expired"]);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
  await world.socket.open();
  await opening;
  assert.deepEqual(world.errors, []);
});

test("where nobody has a new token, it waits for one and says so", async (t) => {
  for (const onTokenExpired of [undefined, () => null, () => "old"]) {
    const world = new World(t);
    const client = world.client({ token: "old", onTokenExpired });
    await world.connect(client);
    const kept = client.channel("chat/x").publish("e");
    await expire(world.socket);
    await world.clock.advance(1_000_000);
    assert.equal(world.sockets.length, 1);
    assert.equal(client.status, "disconnected");
    assert.match(world.errors[0].message, /^The token expired\. Call setToken\(\)/);
    client.setToken("new");
    await settle();
    assert.equal(client.status, "reconnecting");
    await world.socket.open();
    await world.socket.say({ type: "ack", id: world.socket.take()[0].id });
    await kept;
    client.disconnect();
  }
});

test("whoever cannot get a token at the moment is asked again", async (t) => {
  const world = new World(t);
  let fails = 1;
  const client = world.client({
    token: "old",
    onTokenExpired: () => {
      if (fails--) throw new Error("no network");
      return "new";
    },
  });
  await world.connect(client);
  await world.clock.advance(5000);
  await expire(world.socket);
  assert.deepEqual(world.codes, ["token_failed"]);
  assert.equal(client.status, "reconnecting");
  world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
  await world.clock.advance(1000);
  await world.socket.end();
  await world.comeBack(10_000);
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
});

test("a token may come from elsewhere while it is asked for", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old", onTokenExpired: () => new Promise(() => {}) });
  await world.connect(client);
  await expire(world.socket);
  assert.equal(client.status, "reconnecting");
  client.setToken("new");
  await settle();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
});

test("asking for a connection again and again without a token is no spinning", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  client.onStatusChange((status) => status === "disconnected" && client.connect());
  await world.connect(client);
  for (let n = 0; n < 6; n++) {
    await expire(world.socket);
    await world.clock.advance(0);
    await world.socket.onopen?.({});
  }
  assert.ok(world.sockets.length <= 2, world.sockets.length);
});

test("a new token goes out on the open connection", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  await world.connect(client);
  client.setToken("new");
  assert.deepEqual(world.socket.take(), [{ type: "auth", token: "new" }]);
  client.setToken(null);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(credentials(world.socket), []);
});

test("looks after its connection when the network goes or comes, or the page wakes", async (t) => {
  const world = new World(t);
  makePage(t, world);
  const client = world.client();
  await world.connect(client);
  for (const what of ["offline", "online", "visibilitychange"]) {
    world.events.fire(what);
    assert.deepEqual(world.socket.take(), [{ type: "ping" }], what);
    await world.socket.say(PONG);
    await world.clock.advance(10_000);
    assert.equal(client.status, "connected");
  }
  globalThis.document.hidden = true;
  world.events.fire("visibilitychange");
  assert.deepEqual(world.socket.take(), []);
  world.events.fire("offline");
  await world.clock.advance(10_000);
  assert.equal(client.status, "reconnecting");
});

test("comes back at once when the network is there again", async (t) => {
  const world = new World(t);
  const client = world.client({ maxReconnectAttempts: 3 });
  await world.connect(client);
  world.online = false;
  // Attempts without a network do not count.
  for (let n = 0; n < 8; n++) {
    await world.socket.end();
    await world.clock.advance(30_000);
  }
  assert.equal(client.status, "reconnecting");
  await world.socket.end();
  const before = world.sockets.length;
  world.online = true;
  world.events.fire("online");
  await settle();
  assert.equal(world.sockets.length, before + 1);
  // And it begins to count anew.
  for (let n = 0; n < 5; n++) {
    await world.socket.end();
    world.events.fire("online");
    await settle();
  }
  assert.equal(client.status, "reconnecting");
});

/** What a page has that can be looked at and away from. */
function makePage(t, world) {
  world.replace(t, globalThis, "document", {
    hidden: false,
    addEventListener: world.events.add,
    removeEventListener: world.events.remove,
  });
}

test("looking at the page again and again gives a dead line no more time", async (t) => {
  const world = new World(t);
  makePage(t, world);
  const client = world.client();
  await world.connect(client);
  for (let n = 0; n < 9; n++) {
    world.events.fire("visibilitychange");
    await world.clock.advance(1000);
  }
  assert.deepEqual(world.socket.take(), [{ type: "ping" }]);
  await world.clock.advance(1000);
  assert.equal(client.status, "reconnecting");
});

test("comes back when the page is looked at again, but not in a frenzy", async (t) => {
  const world = new World(t);
  makePage(t, world);
  await world.connect(world.client());
  // Up to now it waits for seconds.
  for (let n = 0; n < 5; n++) {
    await world.socket.end();
    if (n < 4) await world.clock.advance(30_000);
  }
  await world.clock.advance(1000);
  const before = world.sockets.length;
  world.events.fire("visibilitychange");
  await settle();
  assert.equal(world.sockets.length, before + 1);
  await world.socket.end();
  for (let n = 0; n < 5; n++) world.events.fire("visibilitychange");
  await world.clock.advance(999);
  assert.equal(world.sockets.length, before + 1);
  await world.clock.advance(1);
  assert.equal(world.sockets.length, before + 2);
});

test("the daemon's word when to come back counts, whatever the page sees", async (t) => {
  const world = new World(t);
  makePage(t, world);
  await world.connect(world.client());
  await world.socket.end(1001, "restarting; reconnect in 5000 ms");
  for (const what of ["visibilitychange", "online"]) world.events.fire(what);
  await world.clock.advance(4999);
  assert.equal(world.sockets.length, 1);
  await world.comeBack(1);
});

test("of the openings that fail only some are asked about", async (t) => {
  const world = new World(t);
  world.answer = { status: 503, body: { error: "overloaded", message: "No.", retryAfter: 7000 } };
  const client = world.client();
  const delays = [];
  client.onStatusChange((status, { delay }) => delays.push(delay));
  client.connect();
  for (let n = 0; n < 9; n++) {
    await settle();
    await world.socket.end();
    await world.clock.advance(delays.at(-1));
  }
  assert.equal(world.requests.length, 3);
  // For how long it wants to be left alone is known of those only.
  assert.deepEqual(delays.slice(1).map((delay) => delay === 7000), [
    true, false, false, true, false, false, true, false, false,
  ]);
  assert.deepEqual(world.codes, ["overloaded"]);
  // Another token is another story.
  client.setToken("new");
  await world.socket.end();
  assert.equal(world.requests.length, 4);
});

test("a mistake of the client's own is told, and costs no connection", async (t) => {
  const world = new World(t);
  const { client, channel, socket, topic } = await subscribed(world);
  const seen = collector();
  channel.on("e", seen);
  t.mock.method(channel, "_notify", () => {
    throw new Error("mine");
  }, { times: 1 });
  await socket.say(event(topic, "e", 1, { pos: "2" }), event(topic, "e", 2, { pos: "3" }));
  assert.deepEqual(world.codes, ["client_failed"]);
  assert.match(world.errors[0].cause.message, /mine/);
  assert.deepEqual(seen.got.map(({ data }) => data), [2]);
  assert.equal(client.status, "connected");
});

test("a client is known by the same secret at each opening, and no two by the same", async (t) => {
  const world = new World(t);
  const sessions = [];
  for (let n = 0; n < 2; n++) {
    await world.connect(world.client());
    sessions.push(world.socket.protocols.at(-2));
    await world.socket.end();
    await world.comeBack();
    assert.equal(world.socket.protocols.at(-2), sessions[n]);
  }
  assert.notEqual(sessions[0], sessions[1]);
  assert.ok(!world.socket.url.includes(sessions[1].split(".")[1]));
});

test("a token that is set while a connection opens is given to it", async (t) => {
  const world = new World(t);
  const client = world.client({ token: "old" });
  client.channel("chat/x").subscribe();
  await settle();
  client.setToken("new");
  await world.socket.open();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.old"]);
  assert.deepEqual(world.socket.take().map(({ type, token }) => token ?? type), [
    "new", "subscribe",
  ]);
  await world.socket.end();
  await world.comeBack();
  assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
  assert.deepEqual(world.socket.take().map(({ type }) => type), ["subscribe"]);
});

test("the end of an old token ends nothing where there is a good one", async (t) => {
  // It was set while the connection was opened, that failed or that was let in; or later on.
  for (const when of ["failed", "opening", "open"]) {
    const world = new World(t);
    world.answer = { status: 401, body: { error: "token_expired", message: "It has expired." } };
    const asked = collector();
    const client = world.client({ token: "old", onTokenExpired: () => asked("asked") });
    client.connect();
    await settle();
    if (when === "open") await world.socket.open();
    client.setToken("new");
    if (when === "failed") {
      await world.socket.end();
    } else {
      if (when === "opening") await world.socket.open();
      await expire(world.socket);
    }
    await world.clock.advance(1000);
    assert.equal(world.sockets.length, 2, when);
    assert.deepEqual(credentials(world.socket), ["aerostack-token.new"]);
    await world.socket.open();
    assert.equal(client.status, "connected");
    assert.deepEqual([asked.got, world.errors], [[], []]);
    // And the end of that one is one.
    await expire(world.socket);
    assert.deepEqual(asked.got, ["asked"]);
    client.disconnect();
  }
});

test("where there is no WebSocket it says what to do, and stays quiet", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "WebSocket", undefined);
  const client = world.client({ WebSocket: undefined });
  await assert.rejects(client.connect(), { code: "no_websocket", message: /npm install ws/ });
  assert.equal(client.status, "disconnected");
  assert.deepEqual(world.codes, ["no_websocket"]);
  await assert.rejects(client.channel("chat/x").publish("e"), { code: "disconnected" });
});

test("uses the WebSocket that the page has", async (t) => {
  const world = new World(t);
  world.replace(t, globalThis, "WebSocket", world.WebSocket);
  await world.connect(world.client({ WebSocket: undefined }));
  assert.equal(world.sockets.length, 1);
});

test("a WebSocket that may not be opened is told, and not tried again", async (t) => {
  const world = new World(t);
  const client = world.client({
    WebSocket: class {
      constructor() {
        throw new SyntaxError("the subprotocol is invalid");
      }
    },
  });
  await assert.rejects(client.connect(), { code: "cannot_open", message: /subprotocol is invalid/ });
  assert.deepEqual(world.codes, ["cannot_open"]);
  assert.equal(client.status, "disconnected");
  assert.equal(world.clock.pending, 0);
});

test("errors go to the console where nobody listens, and so does a listener's own", async (t) => {
  const world = new World(t);
  const log = t.mock.method(console, "error", () => {});
  const client = world.client({ onError: undefined });
  await world.connect(client);
  await world.socket.sayText("nonsense");
  assert.match(log.mock.calls[0].arguments[0], /^aerostack: invalid_frame: ws:\/\/rt\.test/);
  const broken = world.client({
    onError: () => {
      throw new Error("mine");
    },
  });
  await world.connect(broken);
  await world.socket.sayText("nonsense");
  assert.match(String(log.mock.calls[1].arguments[0]), /mine/);
  assert.equal(broken.status, "connected");
});
