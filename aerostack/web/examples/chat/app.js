/**
 * A chat with rooms, with earlier messages, and with the users who are typing.
 */

import { at, make, showList } from "../../shared/dom.js";
import { complain, connect, me, parameter, setHue, showPeople } from "../shared.js";

const ROOMS = ["engineering", "design", "random"];
const PAGE = 30;
const TYPING = 3000;

const realtime = connect();

class Room {
  // By their time: no two messages of a topic have the same.
  messages = new Map();
  // Messages of this page that have not come back yet.
  pending = [];
  unread = 0;
  #loading = false;

  constructor(name) {
    this.name = name;
    // [room]
    this.channel = realtime.channel(`chat/${name}`);
    this.channel.on("message", ({ data, userId, timestamp }) => this.add(data, userId, timestamp));
    this.channel.onStateChange((state) => {
      if (state === "subscribed" && this.hasOlder === undefined) this.load();
    });
    // What was missed while the network was away comes by itself; where it was too much:
    this.channel.onGap(() => {
      this.messages.clear();
      this.load();
    });
    this.channel.subscribe();
    // [/room]
    this.channel.presence.onChange(() => this === room && showPresence());
  }

  // [history]
  /** Load the messages before the oldest one on the page. */
  async load() {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const oldest = this.messages.size ? Math.min(...this.messages.keys()) : undefined;
      const page = await this.channel.getHistory(PAGE, oldest);
      for (const { data, user_id, created_at } of page) this.#put(data, user_id, created_at);
      this.hasOlder = page.length === PAGE;
    } catch (error) {
      complain(error.message);
    } finally {
      this.#loading = false;
    }
    if (this === room) showMessages();
  }
  // [/history]

  add(data, userId, time) {
    if (!this.#put(data, userId, time)) return;
    this.pending = this.pending.filter(
      ({ timestamp }) => userId !== me.id || timestamp !== data.timestamp,
    );
    if (this === room) showMessages();
    else this.unread += 1;
    if (this === room && userId !== me.id) announce(data);
    showRooms();
  }

  /** Keep a message. Other clients may have published something else here, which is left out. */
  #put(data, userId, time) {
    const { text, author } = data ?? {};
    if (typeof text !== "string") return false;
    this.messages.set(time, { text, author: author ?? userId ?? "Somebody", userId, time });
    return true;
  }

  async say(text) {
    const timestamp = Date.now();
    this.pending.push({ text, author: me.name, userId: me.id, timestamp });
    showMessages();
    try {
      // [say]
      const message = { text, author: me.name, timestamp };
      await this.channel.publish("message", message, { persist: true });
      // [/say]
    } catch (error) {
      this.pending = this.pending.filter((one) => one.timestamp !== timestamp);
      complain(`“${text}” was not sent: ${error.message}`);
      showMessages();
    }
  }
}

// The page

function makeMessage({ text, author, userId, time, timestamp }) {
  const when = new Date(time ?? timestamp).toLocaleTimeString([], { timeStyle: "short" });
  const who = setHue(make("b", {}, String(author)), hueOf(userId));
  const head = make("p", { class: "who" }, who, make("time", {}, when));
  if (time === undefined) head.append(make("span", { class: "waiting" }, "waiting to be sent"));
  const key = time === undefined ? `pending-${timestamp}` : String(time);
  const item = make("li", { "data-key": key }, head, make("p", {}, String(text)));
  if (userId === me.id) item.classList.add("mine");
  if (time === undefined) item.classList.add("pending");
  return item;
}

/** A colour for each user, the same on every page. */
function hueOf(userId) {
  return [...String(userId)].reduce((hue, letter) => (hue * 31 + letter.charCodeAt(0)) % 360, 0);
}

function showMessages() {
  const box = at("log");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const fromEnd = box.scrollHeight - box.scrollTop;
  const said = [...room.messages.values()].sort((one, other) => one.time - other.time);
  showList(at("messages"), [...said, ...room.pending], makeMessage);
  at("older").hidden = !room.hasOlder;
  at("nothing").hidden = said.length > 0 || room.hasOlder === undefined;
  // A user who reads earlier messages keeps the place.
  box.scrollTop = atEnd ? box.scrollHeight : box.scrollHeight - fromEnd;
}

/** Let screen readers read a new message: only this one, not the list of them. */
function announce(data) {
  const { author, text } = data;
  at("said").textContent = `${author ?? "Somebody"}: ${text}`;
}

function showRooms() {
  showList(at("rooms"), rooms, (one) => {
    const button = make("button", { onclick: () => open(one) }, `# ${one.name}`);
    if (one.unread) {
      const badge = make("span", { class: "unread" }, String(one.unread));
      badge.append(make("span", { class: "unseen" }, " unread"));
      button.append(" ", badge);
    }
    if (one === room) button.setAttribute("aria-current", "true");
    return make("li", { "data-key": one.name }, button);
  });
}

// [typing]
function showPresence() {
  const { members } = room.channel.presence;
  showPeople(members, "here");
  const typing = [...members.values()]
    .filter(({ userId, state }) => state.typing && userId !== me.id)
    .map(({ state }) => String(state.name));
  const names = typing.length > 3 ? "Several people" : typing.join(" and ");
  at("typing").textContent = names && `${names} ${typing.length > 1 ? "are" : "is"} typing…`;
}

let stopTyping;

function track(typing) {
  clearTimeout(stopTyping);
  if (typing) stopTyping = setTimeout(() => track(false), TYPING);
  if (typing !== track.last) room.channel.track({ name: me.name, hue: hueOf(me.id), typing });
  track.last = typing;
}

at("text").oninput = () => track(at("text").value !== "");
// [/typing]

let room = null;

function open(wanted) {
  room?.channel.untrack();
  room = wanted;
  room.unread = 0;
  at("title").textContent = `# ${room.name}`;
  track.last = undefined;
  track(false);
  showRooms();
  showMessages();
  showPresence();
  at("log").scrollTop = at("log").scrollHeight;
}

at("say").onsubmit = (submitted) => {
  submitted.preventDefault();
  const text = at("text").value.trim();
  if (!text) return;
  at("text").value = "";
  track(false);
  room.say(text);
  at("log").scrollTop = at("log").scrollHeight;
};
at("older").onclick = () => room.load();
at("log").onscroll = () => at("log").scrollTop === 0 && room.hasOlder && room.load();

const rooms = ROOMS.map((name) => new Room(name));
open(rooms.find(({ name }) => name === parameter("room")) ?? rooms[0]);
