/**
 * An application that follows the rows of one kind, and tells what it hears of the table.
 */

import { RealtimeClient } from "aerostack-rt";

const realtime = new RealtimeClient({
  baseUrl: process.argv[2],
  projectId: "p",
  onError: (error) => console.log(`error ${error.code}`),
});
const orders = realtime.channel("orders", { filter: { kind: "a" } });
orders.onStateChange((state) => console.log(state));
orders.onGap(({ reason }) => console.log(`gap ${reason}`));
orders.onFeedChange((feed) => console.log(`feed ${feed}`));
orders.on("INSERT", ({ data }) => console.log(`row ${data.id}`));
orders.subscribe();
