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
} from "aerostack-rt";
import {
  AerostackProvider,
  useAerostack,
  useAnswer,
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
  .on("*", (payload: RealtimePayload) => console.log(payload.type, payload.anything))
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

// React

function Orders() {
  const { realtime: client, sdk, projectId } = useAerostack();
  const { rows, state, error, feed } = useChannel<Order>("orders", null, {
    snapshot: true,
    onGap: (gap) => console.log(gap.reason),
  });
  const status: RealtimeStatus = useRealtimeStatus();
  return (
    <ul title={`${client.status} ${sdk.realtime.status} ${projectId} ${status} ${state} ${feed}`}>
      {error && <li>{error.message}</li>}
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
  </AerostackProvider>
);
export const other = <AerostackProvider client={realtime}>{app}</AerostackProvider>;
// @ts-expect-error: a line is a number
export const wrong = () => usePresence<Cursor>("doc/1", { line: "1" });
