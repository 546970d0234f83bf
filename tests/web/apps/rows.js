/**
 * An application that tells how many rows of a table it shows, and the last one, at each change.
 */

import { RealtimeClient } from "aerostack-rt";

const realtime = new RealtimeClient({
  baseUrl: process.argv[2],
  projectId: "p",
  userId: "ann",
  onError: (error) => console.log(`error ${error.code}`),
});
const orders = realtime.channel("orders", { snapshot: true, order: ["id"] });
orders.onGap(({ reason }) => console.log(`gap ${reason}`));
orders.onRows((rows) => console.log(`rows ${rows.length} ${JSON.stringify(rows.at(-1))}`));
orders.subscribe();
