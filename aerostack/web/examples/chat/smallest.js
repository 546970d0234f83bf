/**
 * The smallest chat: one room, and its messages from now on.
 */

import { at, make } from "../../shared/dom.js";
import { connect, me } from "../shared.js";

const realtime = connect();

// A page publishes to all subscribers; with `persist` the daemon keeps the event, too.
const sdk = {
  socket: {
    emit: (event, data, topic) => realtime.channel(topic).publish(event, data, { persist: true }),
  },
};

function addMessage(data) {
  // Other clients may have published something else here.
  const { text, author } = data ?? {};
  if (typeof text !== "string") return;
  at("messages").append(make("li", {}, make("b", {}, String(author)), ` ${text}`));
}

// [room]
const channel = realtime.channel('chat/engineering')
channel.on('message', ({ data }) => {
  addMessage(data)
})
channel.subscribe()
// [/room]

at("say").onsubmit = (submitted) => {
  submitted.preventDefault();
  const [text, author, timestamp] = [at("text").value, me.name, Date.now()];
  // [say]
  // Send a message from any client
  sdk.socket.emit('message', { text, author, timestamp }, 'chat/engineering')
  // [/say]
  at("text").value = "";
};
