/**
 * Ships an order from a server of your own, here with Node.js:
 *
 *     npm install http://127.0.0.1:8787/client/aerostack-rt.tgz
 *     node ship.mjs http://127.0.0.1:8787 var/keys/local.secret 1
 */

import { readFile } from "node:fs/promises";

import { ServerSDK } from "aerostack-rt/server";

const [baseUrl, keyFile, id] = process.argv.slice(2);
const sdk = new ServerSDK({ baseUrl, secretKey: (await readFile(keyFile, "utf8")).trim() });
const orderId = Number(id);

// [server]
// Server: emit events to a channel

// After any operation, notify subscribers:
await sdk.db.query('UPDATE orders SET status = ? WHERE id = ?', ['shipped', orderId])

// For custom events, emit manually:
sdk.socket.emit('order:updated', { id: orderId, status: 'shipped' }, 'orders')
// [/server]
