/**
 * The view of the token streams that run.
 */

import { userOf } from "./connections.js";
import { at, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { described } from "./pages.js";
import { to } from "./route.js";
import { numbers, Table } from "./tables.js";

/** What tells a stream apart. */
const keyOf = ({ topic, stream }) => `${topic} ${stream}`;

export class Streams {
  #api = null;
  #now = 0;
  #wished;
  // By stream, its length at the last refresh, and when that was, in milliseconds.
  #before = new Map();
  #table = new Table({
    caption: "Streams, newest first",
    hideCaption: true,
    key: keyOf,
    empty: "No stream runs.",
    columns: [
      { label: "Stream", cell: ({ stream }) => stream },
      { label: "Topic", cell: ({ topic }) => ({ text: topic, href: to("topics", { topic }) }) },
      { label: "Owner", cell: ({ owner }) => userOf(owner) },
      numbers("Watchers", ({ watchers }) => watchers),
      numbers("Characters", ({ length }) => length),
      numbers("A second", ({ rate }) => rate, format.rate),
      {
        label: "Age",
        number: true,
        sort: ({ began }) => -began,
        cell: ({ began }) => ({
          text: format.age(this.#now - began),
          title: format.stamp(began),
        }),
      },
      numbers("First token", ({ first }) => first, format.milliseconds),
      {
        label: "Cancel",
        sort: null,
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
    setText(at("streams-failed"), "");
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
      setText(at("streams-failed"), "");
    } catch (error) {
      setLinked(at("streams-failed"), error.message);
    }
    this.#wished();
  }
}
