/**
 * The view of the token streams that run.
 */

import { userOf } from "./connections.js";
import { at, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { described } from "./pages.js";
import { to } from "./route.js";
import { Table } from "./tables.js";

/** What tells a stream apart. */
const keyOf = ({ topic, stream }) => `${topic} ${stream}`;

export class Streams {
  #api = null;
  #now = 0;
  #wished;
  // By stream, its length at the last refresh, and when that was, in milliseconds.
  #before = new Map();
  #error = at("streams").querySelector(":scope > .error");
  #table = new Table({
    caption: "Streams, newest first",
    hideCaption: true,
    key: keyOf,
    empty: "No stream runs.",
    columns: [
      { label: "Stream", cell: ({ stream }) => stream },
      { label: "Topic", cell: ({ topic }) => ({ text: topic, href: to("topics", { topic }) }) },
      { label: "Owner", cell: ({ owner }) => userOf(owner) },
      { label: "Watchers", number: true, cell: ({ watchers }) => format.count(watchers) },
      { label: "Characters", number: true, cell: ({ length }) => format.count(length) },
      { label: "A second", number: true, cell: ({ rate }) => format.rate(rate) },
      {
        label: "Age",
        number: true,
        cell: ({ began }) => ({
          text: format.age(this.#now - began),
          title: format.stamp(began),
        }),
      },
      { label: "First token", number: true, cell: ({ first }) => format.milliseconds(first) },
      {
        label: "Cancel",
        cell: ({ stream }) => ({
          text: "Cancel",
          title: `Cancel ${stream}`,
          press: () => this.#cancel(stream),
        }),
      },
    ],
  });

  constructor(refresh) {
    this.#wished = refresh;
    at("streams-table").append(this.#table.element);
  }

  show(_query, api) {
    this.#api = api;
  }

  hide() {}

  /** Milliseconds between two refreshes: more for a long list. */
  get every() {
    return 1000 + 2 * this.#table.size;
  }

  async refresh(api, signal, now) {
    const { streams, total, missing } = await api.get("streams", {}, signal);
    this.#now = now;
    const rows = streams.map((row) => ({ ...row, rate: this.#rate(row) }));
    this.#before = new Map(streams.map((row) => [keyOf(row), [row.length, now]]));
    const page = { total, more: streams.length < total, missing };
    setText(at("streams-count"), described(streams.length, page, "stream", false));
    this.#table.update(rows);
  }

  /** How many characters a stream has grown by in a second, since the last refresh. */
  #rate(row) {
    const [length, then] = this.#before.get(keyOf(row)) ?? [0, row.began];
    return (row.length - length) / Math.max(0.001, (this.#now - then) / 1000);
  }

  async #cancel(stream) {
    try {
      await this.#api.cancel(stream);
    } catch (error) {
      setText(this.#error, error.message);
    }
    this.#wished();
  }
}
