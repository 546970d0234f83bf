/**
 * An auction: bids go to the server, and all pages get the bids that it has accepted.
 */

import { at, make, showList } from "../../shared/dom.js";
import { ask, clock, complain, connect, me, nameOf, parameter, showPeople } from "../shared.js";

const LOTS = { lamp: "Desk lamp", globe: "Globe", radio: "Radio" };
const BIDS = 12;

const asked = parameter("lot");
const name = Object.hasOwn(LOTS, asked) ? asked : "lamp";
const realtime = connect();

// The present lot, and the accepted bids by their time.
let lot = null;
const bids = new Map();

// [watch]
const channel = realtime.channel(`auction/${name}`);
channel.on("bid", ({ data, timestamp }) => {
  if (keep(data, timestamp)) take(data);
});
channel.presence.onChange((members) => showPeople(members, "watching"));
channel.track({ name: me.name, hue: me.hue });
channel.onStateChange((state) => {
  if (state === "subscribed") load();
});
channel.subscribe();
// [/watch]

/** Keep a bid. Other clients may have published something else here, which is left out. */
function keep(data, time) {
  if (!Number.isSafeInteger(data?.price)) return false;
  bids.set(time, data);
  return true;
}

/** Bids only rise, so the highest bid is the present price. */
function take(known) {
  if (!lot || known.price > lot.price) {
    if (lot?.bidder === me.id && known.bidder !== me.id) {
      say(`${nameOf(known.bidder)} has outbid you with € ${known.price}.`, true);
    }
    lot = known;
  }
  draw();
}

async function load() {
  const stands = await ask("auction/look", { lot: name });
  if (stands === null) return;
  try {
    for (const { data, created_at } of await channel.getHistory(BIDS)) keep(data, created_at);
  } catch (error) {
    complain(error.message);
  }
  take(stands);
}

async function bid(amount) {
  // [bid]
  const answer = await ask("auction/bid", { lot: name, bidder: me.id, amount });
  if (answer === null) return;
  if (!answer.accepted) say(`€ ${amount} is not enough any more.`);
  // Another bid may have been faster than this answer.
  else if (lot.price <= amount) say(`Your bid of € ${amount} was accepted.`);
  // [/bid]
}

/** Say what has become of the user's bid. */
function say(text, isOutbid = false) {
  at("outcome").textContent = text;
  at("outcome").classList.toggle("outbid", isOutbid);
}

// The page

function draw() {
  const mine = lot.bidder === me.id;
  at("lot").textContent = lot.title;
  at("price").textContent = `€ ${lot.price}`;
  at("leader").dataset.mine = mine;
  const leader = mine ? "You lead." : `${nameOf(lot.bidder)} leads.`;
  at("leader").textContent = lot.bids ? leader : "No bid yet.";
  at("amount").min = lot.price + 1;
  if (!(Number(at("amount").value) > lot.price)) at("amount").value = lot.price + 5;
  const highest = [...bids].sort(([, one], [, other]) => other.price - one.price).slice(0, BIDS);
  at("nobids").hidden = highest.length > 0;
  showList(at("bids"), highest, ([time, { price, bidder }]) => {
    const who = make("span", {}, bidder === me.id ? "You" : nameOf(bidder));
    const when = make("time", { datetime: new Date(time).toISOString() }, clock(time));
    return make("li", { "data-key": String(price) }, who, when, make("b", {}, `€ ${price}`));
  });
  for (const button of document.querySelectorAll("[data-more]")) {
    const amount = lot.price + Number(button.dataset.more);
    button.textContent = `€ ${amount}`;
    button.ariaLabel = `Bid ${amount} euros`;
    button.onclick = () => bid(amount);
  }
  at("bid").hidden = false;
}

at("bid").onsubmit = (submitted) => {
  submitted.preventDefault();
  bid(Number(at("amount").value));
};

for (const [one, title] of Object.entries(LOTS)) {
  const link = make("a", { href: `?${new URLSearchParams({ lot: one, name: me.name })}` }, title);
  if (one === name) link.setAttribute("aria-current", "page");
  at("lots").append(link);
}
