/**
 * Ships an order from a server of your own, here with Node.js and nothing else:
 *
 *     node ship.mjs http://127.0.0.1:8787 var/keys/local.secret 1
 */

import { readFile } from "node:fs/promises";

const [url, keyFile, id] = process.argv.slice(2);
const secretKey = (await readFile(keyFile, "utf8")).trim();
const orderId = Number(id);

async function call(method, ...args) {
  const response = await fetch(`${url}/internal/hooks/rpc`, {
    method: "POST",
    headers: { Authorization: `Bearer ${secretKey}` },
    body: JSON.stringify({ method, args }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

const sdk = {
  db: { query: (sql, params) => call("db.query", sql, params) },
  socket: { emit: (event, data, topic) => call("socket.emit", event, data, topic) },
};

// [server]
// Server: emit events to a channel

// After any operation, notify subscribers:
await sdk.db.query('UPDATE orders SET status = ? WHERE id = ?', ['shipped', orderId])

// For custom events, emit manually:
sdk.socket.emit('order:updated', { id: orderId, status: 'shipped' }, 'orders')
// [/server]
