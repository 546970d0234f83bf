/**
 * A live orders dashboard on the table `orders`.
 */

import { at, make, showList } from "../../shared/dom.js";
import { ask, complain, connect } from "../shared.js";

const NEXT = { new: ["paid", "Pay"], paid: ["shipped", "Ship"] };
const SHOWN = 200;

const realtime = connect((error) => {
  if (error.code !== "unknown_table") complain(error.message);
});

function badge(status) {
  return make("span", { class: "badge", "data-status": status }, String(status));
}

// The dashboard: the table as it is now

function showRows(rows) {
  const newest = [...rows].sort((one, other) => other.id - one.id).slice(0, SHOWN);
  at("empty").hidden = true;
  at("some").hidden = rows.length < SHOWN;
  showList(at("rows"), newest, ({ id, status }) => {
    const buttons = [];
    if (Object.hasOwn(NEXT, status)) {
      const [next, label] = NEXT[status];
      const advance = () => ask("orders/update", { id, status: next });
      buttons.push(make("button", { onclick: advance, "aria-label": `${label} ${id}` }, label));
    }
    const remove = () => ask("orders/remove", { id });
    const name = { class: "quiet", "aria-label": `Remove ${id}`, onclick: remove };
    buttons.push(make("button", name, "Remove"));
    const cells = [`#${id}`, badge(status), make("span", { class: "row" }, ...buttons)];
    return make("tr", { "data-key": id }, ...cells.map((cell) => make("td", {}, cell)));
  });
  for (const status of ["new", "paid", "shipped"]) {
    at(status).textContent = rows.filter((row) => row.status === status).length;
  }
}

// The feed: the changes since the page was opened

let events = [];

function setEvents(updater) {
  events = updater(events).slice(0, SHOWN);
  if (events.length) at("news").textContent = `The newest order is ${events[0].id}, and is ${events[0].status}`;
  showList(at("feed"), events, (e) => make("li", { "data-key": e.id }, `Order ${e.id} is `, badge(e.status)));
}

function watch() {
  // [feed]
  const channel = realtime.channel('orders')

  channel
    .on('INSERT', ({ data }) => setEvents(prev => [data, ...prev]))
    .on('UPDATE', ({ data }) => setEvents(prev =>
      prev.map(e => e.id === data.id ? data : e)
    ))
    .subscribe()

  return () => channel.unsubscribe()
  // [/feed]
}

function open() {
  // [dashboard]
  const table = realtime.channel("orders", {
    snapshot: true,
    order: [["id", "desc"]],
    limit: SHOWN,
  });
  table.onRows(showRows);
  table.on("order:updated", ({ event, data }) => {
    at("event").textContent = `${event} ${JSON.stringify(data)}`;
  });
  // [/dashboard]
  const close = watch();
  table.onStateChange((state) => {
    if (state !== "refused" || table.error.code !== "unknown_table") return;
    // The table may be made later: here, on another page or in a shell.
    at("empty").hidden = false;
    close();
    setTimeout(open, 1000);
  });
}

at("create").onclick = () => ask("orders/create");
open();
