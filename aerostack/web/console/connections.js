/**
 * The view of the connections.
 */

import { confirmed } from "./confirm.js";
import { at, fieldsOf, fill, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { Pages } from "./pages.js";
import { to } from "./route.js";
import { numbers, Table } from "./tables.js";

/** How many bytes wait for a client, and whether the client reads too slowly. */
export function queued({ queued: waiting, congested }) {
  const text = format.bytes(waiting);
  return congested ? { text: `${text}, congested`, tone: "problem" } : text;
}

/** The id of a user, or words for a connection without one. */
export function userOf(userId) {
  return userId === null ? "no user" : userId;
}

/** What the operator knows a connection by. */
const nameOf = ({ userId, id }) => (userId === null ? id : `${userId}, ${id}`);

export class Connections {
  #api = null;
  #wished;
  #query = {};
  #form = at("connections-form");
  #table = new Table({
    caption: "Connections, oldest first",
    hideCaption: true,
    key: ({ id }) => id,
    empty: "No client is connected.",
    columns: [
      {
        label: "User",
        cell: ({ userId }) =>
          userId === null
            ? "no user"
            : { text: userId, href: to("why", { user: userId, topic: this.#query.topic }) },
      },
      { label: "Connection", cell: ({ id, node }) => (node ? `${id} at ${node}` : id) },
      { label: "Role", cell: ({ role }) => role },
      { label: "Address", cell: ({ address }) => address ?? "" },
      { label: "Transport", cell: ({ transport }) => (transport === "sse" ? "SSE" : "WebSocket") },
      {
        label: "Open for",
        number: true,
        sort: ({ opened }) => -opened,
        cell: ({ opened }) => ({
          text: format.age(this.#now - opened),
          title: format.stamp(opened),
        }),
      },
      numbers("Topics", ({ subscriptions }) => subscriptions),
      numbers("Present in", ({ present }) => present),
      { label: "Queued", number: true, sort: (row) => row.queued, cell: queued },
      { label: "Compressed", cell: ({ compressed }) => (compressed ? "yes" : "no") },
      {
        label: "Disconnect",
        sort: null,
        cell: (row) => ({
          text: "Disconnect",
          title: `Disconnect ${nameOf(row)}`,
          press: () => this.#disconnect(row),
        }),
      },
    ],
  });
  #pages;
  #now = 0;

  constructor(refresh) {
    this.#wished = refresh;
    at("connections-table").append(this.#table.element);
    this.#pages = new Pages({
      button: at("connections-more"),
      count: at("connections-count"),
      noun: "connection",
      wished: refresh,
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.hash = to("connections", fieldsOf(this.#form));
    });
  }

  show({ user, topic }, api) {
    this.#api = api;
    this.#query = { user, topic };
    fill(this.#form, this.#query);
    this.#pages.reset();
    setText(at("connections-failed"), "");
  }

  hide() {}

  async #disconnect(row) {
    const question = `Disconnect ${nameOf(row)}? The client can connect again.`;
    if (!(await confirmed(question, "Disconnect"))) return;
    try {
      await this.#api.disconnect(row.userId, row.id);
    } catch (error) {
      setLinked(at("connections-failed"), error.message);
      return;
    }
    setText(at("connections-failed"), "");
    this.#wished();
  }

  /** Milliseconds between two refreshes: more for a long list. */
  get every() {
    return 2000 + 2 * this.#table.size;
  }

  async refresh(api, signal, now) {
    const query = this.#query;
    const rows = await this.#pages.fetch(
      (page) => api.get("connections", { ...query, ...page }, signal),
      "connections",
      ({ id }) => id,
    );
    if (query !== this.#query) return;
    this.#now = now;
    this.#table.update(rows);
  }
}
