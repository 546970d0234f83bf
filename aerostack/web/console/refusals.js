/**
 * The view of the requests that were refused lately.
 */

import { at, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { described } from "./pages.js";
import { to } from "./route.js";
import { Table } from "./tables.js";

/** What tells a row apart. */
const keyOf = ({ code, project, origin, address, node }) =>
  JSON.stringify([code, project, origin, address, node]);

export class Refusals {
  #now = 0;
  #table = new Table({
    caption: "Refused lately, newest first",
    hideCaption: true,
    key: keyOf,
    empty: "Nothing was refused since the daemon has started.",
    columns: [
      { label: "Code", cell: ({ code }) => code },
      {
        label: "Ago",
        number: true,
        sort: ({ at: newest }) => -newest,
        cell: ({ at: newest }) => ({
          text: format.age(this.#now - newest),
          title: format.stamp(newest),
        }),
      },
      {
        label: "Times",
        number: true,
        sort: ({ count }) => count,
        cell: ({ count, since }) => ({
          text: format.count(count),
          title: `since ${format.stamp(since)}`,
        }),
      },
      { label: "Project", cell: ({ project }) => project ?? "none named" },
      { label: "Origin", cell: ({ origin }) => origin ?? "no browser" },
      {
        label: "Address",
        cell: ({ address, node }) => [address ?? "", ...(node ? [`at ${node}`] : [])].join(" "),
      },
      {
        label: "User",
        cell: ({ userId }) =>
          userId === null ? "" : { text: userId, href: to("connections", { user: userId }) },
      },
      { label: "Request", cell: ({ request }) => request },
      { label: "What to do", wraps: true, cell: ({ message }) => message },
    ],
  });

  constructor() {
    at("refusals-table").append(this.#table.element);
  }

  show() {}

  hide() {}

  /** Milliseconds between two refreshes: more for a long list. */
  get every() {
    return 1000 + 2 * this.#table.size;
  }

  async refresh(api, signal, now) {
    const { refusals, total, missing } = await api.get("refusals", {}, signal);
    this.#now = now;
    const page = { total, more: refusals.length < total, missing };
    setText(at("refusals-count"), described(refusals.length, page, "group", false));
    this.#table.update(refusals);
  }
}
