/**
 * An application that follows a table and a chat room and talks in it, for a page or for Node.js.
 * What it saw stands in what `follow` gives.
 */

globalThis.follow = (RealtimeClient, options) => {
  const app = { rows: [], inserted: [], heard: [], acked: [], gaps: [], errors: [] };
  app.realtime = new RealtimeClient({
    projectId: "p",
    userId: "follower",
    reconnectDelay: 50,
    maxReconnectDelay: 500,
    connectTimeout: 3000,
    pingInterval: 500,
    pongTimeout: 1500,
    onError: (error) => app.errors.push(error.code),
    ...options,
  });
  const orders = app.realtime.channel("orders", { snapshot: true, order: ["id"] });
  orders.on("INSERT", ({ data }) => app.inserted.push(data.id));
  orders.onRows((rows) => (app.rows = rows.map(({ id }) => id)));
  const room = app.realtime.channel("chat/room").on("said", ({ data }) => app.heard.push(data));
  for (const channel of [orders, room]) {
    channel.onGap((gap) => app.gaps.push(gap));
    channel.subscribe();
  }
  app.ready = () => room.state === "subscribed" && app.rows.length > 0;
  let said = 0;
  app.say = async () => {
    const number = ++said;
    await room.publish("said", number, { persist: true });
    app.acked.push(number);
  };
  return app;
};
