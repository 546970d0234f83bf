/**
 * What applications write that name the events of their topics; the compiler finds their mistakes.
 */

import { RealtimeClient } from "aerostack-rt";
import type { RealtimeTable } from "aerostack-rt";
import { useChannel } from "aerostack-rt/react";
import { ServerSDK } from "aerostack-rt/server";
import type { EmittedEvent } from "aerostack-rt/server";

interface Order {
  id: number;
  status: "new" | "shipped";
}

declare module "aerostack-rt" {
  interface RealtimeTopics {
    orders: RealtimeTable<Order, { "order:updated": { id: number; status: string } }>;
    [room: `chat/${string}`]: { message: { text: string }; typing: undefined };
  }
}

const realtime = new RealtimeClient({ projectId: "local" });

// Tables

const orders = realtime.channel("orders", { snapshot: true, key: (row) => row.id });
orders
  .on("INSERT", ({ data, old }) => console.log(data.status, old?.id))
  .on("order:updated", ({ data }) => data.status.trim())
  .on("presence:join", ({ data }) => console.log(data))
  .on("*", ({ event, operation }) => console.log(event, operation))
  .subscribe();
export const ids: number[] = orders.rows.map(({ id }) => id);
void orders.publish("order:updated", { id: 1, status: "new" }, { persist: true });
// @ts-expect-error: a payload has no such field
orders.on("INSERT", ({ dat }) => console.log(dat));
// @ts-expect-error: an order has no such column
orders.on("UPDATE", ({ data }) => data.total);
// @ts-expect-error: the table has no such event
orders.on("order:update", ({ data }) => console.log(data));
// @ts-expect-error: the field is misspelt
void orders.publish("order:updated", { id: 1, state: "new" });
// @ts-expect-error: the database publishes these
void orders.publish("INSERT", { id: 1, status: "new" });

// Rooms

const room = realtime.channel("chat/general");
room.on("message", ({ data }) => data.text.trim()).off("message", console.log);
void room.publish("message", { text: "hi" });
void room.publish("typing");
export const say = (roomId: string) =>
  realtime.channel(`chat/${roomId}`).publish("message", { text: "hi" });
void realtime.chatRoom("general").publish("message", { text: "hi" });
// @ts-expect-error: the field is misspelt
void room.publish("message", { txt: "hi" });
// @ts-expect-error: there is no such field
void room.publish("message", { text: "hi", colour: "red" });
// @ts-expect-error: a message has data
void room.publish("message");
// @ts-expect-error: the event is misspelt
void room.publish("mesage", { text: "hi" });
// @ts-expect-error: a room is no table
room.on("INSERT", ({ data }) => console.log(data));
// @ts-expect-error: the field is misspelt
void realtime.chatRoom("general").publish("message", { txt: "hi" });

// Other topics

const other = realtime.channel("state/board");
other.on("anything", ({ data }) => console.log(data.whatever));
void other.publish("anything", { a: 1 });
const named = realtime.channel<any, { moved: { x: number } }>("state/board");
void named.publish("moved", { x: 1 });
// @ts-expect-error: the field is misspelt
void named.publish("moved", { y: 1 });
export const find = (topic: string) => realtime.channel<Order>(topic).rows[0]?.status;
// @ts-expect-error: a payload has no such field, on no topic
other.on("anything", ({ dat }) => console.log(dat));

// React

export function Room({ name }: { name: string | null }) {
  const { publish } = useChannel(name && `chat/${name}`, {
    message: ({ data }) => console.log(data.text),
    "*": ({ event }) => console.log(event),
  });
  const { rows } = useChannel("orders", { INSERT: ({ data }) => console.log(data.status) });
  const { rows: others } = useChannel("bills", { any: ({ data }) => console.log(data.anything) });
  useChannel(null);
  // @ts-expect-error: the event is misspelt
  useChannel("chat/general", { mesage: ({ data }) => console.log(data) });
  // @ts-expect-error: the field is misspelt
  useChannel("chat/general", { message: ({ data }) => console.log(data.txt) });
  // @ts-expect-error: the field is misspelt
  void publish("message", { txt: "hi" });
  return <button onClick={() => publish("message", { text: "hi" })}>{rows.length + others.length}</button>;
}

// Servers

export async function serve(sdk: ServerSDK, roomId: string): Promise<void> {
  await sdk.socket.emit("message", { text: "hi" }, "chat/general", { userId: "bot" });
  await sdk.socket.emit("message", { text: "hi" }, `chat/${roomId}`);
  await sdk.socket.emit("order:updated", { id: 1, status: "shipped" }, "orders");
  await sdk.socket.emit("anything", { a: 1 }, "deploy/web");
  // @ts-expect-error: the field is misspelt
  await sdk.socket.emit("message", { txt: "hi" }, "chat/general");
  // @ts-expect-error: the field is misspelt
  await sdk.socket.emit("message", { txt: "hi" }, `chat/${roomId}`);
  // @ts-expect-error: the event is misspelt
  await sdk.socket.emit("order:update", { id: 1, status: "shipped" }, "orders");
  await sdk.socket.emitAll([
    { event: "message", data: { text: "hi" }, topic: `chat/${roomId}`, persist: true },
    { event: "order:updated", data: { id: 1, status: "shipped" }, topic: "orders" },
    { event: "anything", data: 5, topic: "deploy/web" },
  ]);
  const later: EmittedEvent[] = [];
  later.push({ event: "message", data: { text: "hi" }, topic: "chat/general" });
  await sdk.socket.emitAll(later);
  await sdk.socket.emitAll(
    ["a", "b"].map((room) => ({ event: "message", data: { text: "hi" }, topic: `chat/${room}` })),
  );
  // @ts-expect-error: the field is misspelt
  await sdk.socket.emitAll([{ event: "message", data: { txt: "hi" }, topic: "chat/general" }]);
  // @ts-expect-error: the event is misspelt
  await sdk.socket.emitAll([{ event: "mesage", data: { text: "hi" }, topic: `chat/${roomId}` }]);
  // @ts-expect-error: the database publishes these
  await sdk.socket.emitAll([{ event: "INSERT", data: { id: 1, status: "new" }, topic: "orders" }]);
  await sdk.socket.emitAll([
    { event: "anything", data: 5, topic: "deploy/web" },
    // @ts-expect-error: the second one is wrong, too
    { event: "order:updated", data: { id: "1", status: "shipped" }, topic: "orders" },
  ]);
}
