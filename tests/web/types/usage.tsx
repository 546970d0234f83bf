/**
 * What applications write; the TypeScript compiler says whether the declarations let them.
 */

import { useState } from "react";
import { RealtimeClient, RealtimeError, RealtimeSubscription } from "aerostack-rt";
import type {
  HistoryMessage,
  RealtimeClientOptions,
  RealtimeGap,
  RealtimePayload,
  RealtimeStatus,
  RealtimeTransport,
} from "aerostack-rt";
import { ServerSDK, StreamEnded } from "aerostack-rt/server";
import {
  AerostackProvider,
  useAerostack,
  useAnswer,
  useSharedState,
  useChannel,
  useHistory,
  usePresence,
  useRealtimeStatus,
  useSubscription,
} from "aerostack-rt/react";

interface Order {
  id: number;
  status: "new" | "shipped";
}

interface Cursor {
  line: number;
}

// The client

const options: RealtimeClientOptions = {
  baseUrl: "http://127.0.0.1:8787",
  projectId: "local",
  apiKey: "pk",
  token: "jwt",
  userId: "ann",
  maxReconnectAttempts: 5,
  onError: (error) => console.error(error.code, error.retryAfter),
  onTokenExpired: async () => (await fetch("/token")).text(),
  WebSocket,
};
export const realtime = new RealtimeClient(options);
new RealtimeClient({ projectId: "local", onTokenExpired: () => realtime.setToken("new") });

const endings: (() => void)[] = [
  realtime.onStatusChange((status) => console.log(status.toUpperCase())),
  realtime.onTransportChange((transport: RealtimeTransport) => transport === realtime.transport),
  realtime.onStatusChange((status: RealtimeStatus, { delay, error }) => {
    if (status === "reconnecting" && delay !== undefined) console.log(delay / 1000, error?.message);
  }),
  realtime.onMaxRetriesExceeded(() => location.reload()),
  realtime.onError((error) => error instanceof RealtimeError && alert(error.message)),
  realtime.onTokenExpired((error) => error.code),
];
export const connecting: Promise<void> = realtime.connect();
realtime.setToken(null);
realtime.disconnect();
endings.forEach((end) => end());

// @ts-expect-error: a client needs a project
new RealtimeClient({ baseUrl: "http://127.0.0.1:8787" });
// @ts-expect-error: there is no such status
realtime.onStatusChange((status) => status === "online");
// @ts-expect-error: channels come from a client
new RealtimeSubscription();
// @ts-expect-error: status cannot be set
realtime.status = "connected";

// Channels

const orders = realtime.channel<Order>("orders", {
  filter: { status: "new", total: { gt: 100 } },
  snapshot: true,
  order: [["id", "desc"]],
  limit: 20,
  key: (row) => row.id,
});
orders
  .on("INSERT", ({ data }) => console.log(data.status))
  .on("UPDATE", ({ data, old }) => console.log(old?.id === data.id))
  .on<{ by: string }>("order:shipped", ({ data, userId }) => console.log(data.by, userId))
  .on("*", (payload: RealtimePayload) => console.log(payload.type, payload.stream))
  .subscribe();
const onDelete = (payload: RealtimePayload<Order>) => console.log(payload.data.id);
orders.on("DELETE", onDelete).off("DELETE", onDelete);
orders.onRows((rows) => rows.map((row) => row.status));
orders.onGap((gap: RealtimeGap) => gap.reason === "expired" && !gap.reloads && location.reload());
orders.onFeedChange((feed, message) => feed === "down" && console.log(message));
orders.onStateChange((state) => state === "refused" && console.log(orders.error?.code));
export const ids: number[] = orders.rows.map((row) => row.id);
// @ts-expect-error: the rows are not to be changed
orders.rows.push({ id: 1, status: "new" });
// @ts-expect-error: an order has no such status
orders.on("INSERT", ({ data }) => data.status === "lost");
// @ts-expect-error: only up and down
realtime.channel("orders", { order: [["id", "upwards"]] });
// @ts-expect-error: a state is an object
orders.track("typing");

export async function chat(): Promise<HistoryMessage[]> {
  const room = realtime.chatRoom<{ text: string }>("general");
  room.on("message", ({ data }) => data.text.trim());
  await room.publish("message", { text: "hi" }, { persist: true });
  await realtime.sendChat("general", "hi", { mood: "fine" });
  room.track({ typing: true });
  room.untrack();
  room.presence.onChange((members) => console.log(members.size));
  for (const { userId, state, since } of room.presence.members.values()) {
    console.log(userId ?? "somebody", state.typing, new Date(since));
  }
  room.unsubscribe();
  const [newest] = await room.getHistory(50);
  return room.getHistory(50, newest?.created_at);
}

export function watch(): string {
  const { answers } = realtime.channel("ai-chat/7");
  answers.onChange((list) => list.map(({ text, state }) => state === "streaming" && text.length));
  for (const { kind, name, input } of answers.newest?.parts ?? []) {
    if (kind === "tool" && input !== undefined) console.log(name, input);
  }
  // @ts-expect-error: the daemon says how an answer ends
  if (answers.newest) answers.newest.state = "done";
  void answers.newest?.cancel();
  return answers.list.map(({ text }) => text).join();
}

// Servers

export async function serve(): Promise<Order[]> {
  const sdk = new ServerSDK({ baseUrl: "http://127.0.0.1:8787", secretKey: "sk", timeout: 100 });
  const { id, created_at } = await sdk.socket.emit("message", { text: "hi" }, "chat/general", {
    persist: true,
    userId: "bot",
  });
  console.log(id?.length, created_at);
  await sdk.user.disconnect("ann");
  const { nodes } = await sdk.user.revoke("ann", { seconds: 5, reason: "out" });
  console.log(Object.values(nodes));
  const [message] = await sdk.getHistory<{ text: string }>("chat/general", 1);
  console.log(message?.data.text);
  // @ts-expect-error: a revocation has an end
  await sdk.user.revoke("ann", {});
  // @ts-expect-error: there is no such option
  await sdk.socket.emit("message", {}, "chat/general", { persisted: true });
  // @ts-expect-error: an SDK for servers needs the secret key
  new ServerSDK({ baseUrl: "http://127.0.0.1:8787" });
  const { results } = await sdk.db.query<Order>("SELECT * FROM orders WHERE id = ?", [1]);
  return results;
}

/** Some of what the AI SDK gives; its own declarations need those of Node.js. */
type Chunk = { type: "text-delta"; id: string; delta: string } | { type: `data-${string}`; data: unknown };

export async function answer(
  sdk: ServerSDK,
  tokens: AsyncIterable<string>,
  chunks: ReadableStream<Chunk>,
): Promise<void> {
  const stream = await sdk.ai.stream("ai-chat/7", { owner: "ann", meta: { model: "small" } });
  try {
    const { body } = await fetch("http://127.0.0.1/model", { signal: stream.signal });
    console.log(body, stream.id);
    for await (const token of tokens) await stream.write(token);
    await stream.reason("They greet.");
    await stream.tool("call-1", "search", { input: { text: "hello" } });
    await stream.data("source-1", "source", { url: "https://rt.example.com" });
    await stream.write("again", { reset: 0 });
    const { kept } = await stream.end({ tokens: 8 });
    console.log(kept);
  } catch (error) {
    if (error instanceof StreamEnded) console.log(error.state, error.by, error.code);
  } finally {
    await stream.close();
  }
  console.log((await stream.pipe(chunks)).state);
  const { text, parts } = await sdk.ai.get(stream.id);
  console.log(text, parts.map(({ kind }) => kind));
  await sdk.ai.cancel(stream.id);
  await sdk.ai.relay("ai-chat/7", { messages: [] }, { model: "small", owner: "ann" });
  const { status, checks } = await sdk.health();
  console.log(status === "ok", checks.database);
  const { verdict, findings } = await sdk.explain("ann", "orders");
  console.log(verdict, findings.map(({ code }) => code));
  // @ts-expect-error: a text is written
  await stream.write({ token: "a" });
  // @ts-expect-error: tokens are no chunks
  await stream.pipe(tokens);
  // @ts-expect-error: there is no such option
  await sdk.ai.stream("ai-chat/7", { user: "ann" });
}

// React

function Orders() {
  const { realtime: client, sdk, projectId } = useAerostack();
  const { rows, state, error, feed, retry } = useChannel<Order>("orders", null, {
    snapshot: true,
    onGap: (gap) => console.log(gap.reason),
  });
  const status: RealtimeStatus = useRealtimeStatus();
  return (
    <ul title={`${client.status} ${sdk.realtime.status} ${projectId} ${status} ${state} ${feed}`}>
      {error && <li onClick={retry}>{error.message}</li>}
      {rows.map((row) => <li key={row.id}>{row.status}</li>)}
    </ul>
  );
}

function Room({ name }: { name: string | null }) {
  const [texts, setTexts] = useState<string[]>([]);
  const { publish } = useChannel<{ text: string }>(name, {
    message: ({ data }) => setTexts((before) => [...before, data.text]),
    "*": ({ event }) => console.log(event),
  });
  useChannel("orders", ({ operation }) => console.log(operation));
  const { members } = usePresence<Cursor>(name, { line: 1 });
  const { messages, loading, hasMore, loadMore, reload } = useHistory<{ text: string }>(name, {
    limit: 20,
  });
  const { data } = useSubscription<Order>("orders", { event: "INSERT", filter: { status: "new" } });
  return (
    <main onClick={() => publish("message", { text: "hi" }, { persist: true })}>
      {members.map(({ connectionId, state }) => <i key={connectionId}>{state.line}</i>)}
      {messages.map((message) => <p key={message.id}>{message.data.text}</p>)}
      {texts.join()}
      {data?.data.status}
      <button disabled={loading || !hasMore} onClick={loadMore}>more</button>
      <button onClick={reload}>again</button>
    </main>
  );
}

function Answer({ topic }: { topic: string }) {
  const { text, parts, state, cancel, error } = useAnswer(topic);
  return (
    <p title={`${parts.length} ${error?.code}`}>
      {text}
      {state === "streaming" && <button onClick={cancel}>Stop</button>}
    </p>
  );
}

interface Card {
  column: string;
}

function Board({ topic }: { topic: string }) {
  const { values, isReady, set, remove, update, error } = useSharedState<Card>(topic);
  return (
    <ul title={`${isReady} ${error?.code} ${error?.pos}`}>
      {[...values].map(([key, { column }]) => (
        <li key={key} onClick={() => update(key, (card) => card && { ...card, column: "done" })}>
          {column}
          <button onClick={() => remove(key, { persist: true })}>x</button>
        </li>
      ))}
      <button onClick={() => set("card-1", { column: "new" }, { ifNew: true })}>new</button>
    </ul>
  );
}
// @ts-expect-error: a column is a text
export const wrongCard = () => useSharedState<Card>("board/1").set("a", { column: 1 });

export const app = (
  <AerostackProvider
    baseUrl="http://127.0.0.1:8787"
    projectId="local"
    token="jwt"
    options={{ pingInterval: 10_000 }}
    onTokenExpired={() => "new"}
    onError={(error) => console.error(error.code)}
  >
    <Orders />
    <Room name="chat/general" />
    <Room name={null} />
    <Answer topic="ai-chat/7" />
    <Board topic="board/7" />
  </AerostackProvider>
);
export const other = <AerostackProvider client={realtime}>{app}</AerostackProvider>;
// @ts-expect-error: a line is a number
export const wrong = () => usePresence<Cursor>("doc/1", { line: "1" });
