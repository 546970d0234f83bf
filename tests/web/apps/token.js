/**
 * An application whose tokens are good for a second: it says each time that it made another one,
 * and tells of the rows that it gets.
 */

import { createHmac } from "node:crypto";

import { RealtimeClient } from "aerostack-rt";

const [, , baseUrl, secret] = process.argv;
let made = 0;

function makeToken() {
  made += 1;
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "ann", projectId: "p", exp: Date.now() / 1000 + 1 };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const realtime = new RealtimeClient({
  baseUrl,
  projectId: "p",
  token: makeToken(),
  reconnectDelay: 50,
  onTokenExpired: ({ code }) => {
    console.log(`${code} ${made}`);
    return makeToken();
  },
  onError: (error) => console.log(`error ${error.code}`),
});
const orders = realtime.channel("orders");
orders.onStateChange((state) => console.log(state));
orders.onGap(({ reason }) => console.log(`gap ${reason}`));
orders.on("INSERT", ({ data }) => console.log(`row ${data.id}`));
orders.subscribe();
