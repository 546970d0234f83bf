/**
 * The view of the token streams that run.
 */

import { userOf } from "./connections.js";
import { at, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { described } from "./pages.js";
import { to } from "./route.js";
import { Table } from "./tables.js";

export class Streams {
  #api = null;
  #now = 0;
  #wished;
  #error = at("streams").querySelector(":scope > .error");
  #table = new Table({
    caption: "Streams, newest first",
    hideCaption: true,
    key: ({ topic, stream }) => `${topic} ${stream}`,
    empty: "No stream runs.",
    columns: [
      { label: "Stream", cell: ({ stream }) => stream },
      { label: "Topic", cell: ({ topic }) => ({ text: topic, href: to("topics", { topic }) }) },
      { label: "Owner", cell: ({ owner }) => userOf(owner) },
      { label: "Watchers", number: true, cell: ({ watchers }) => format.count(watchers) },
      { label: "Characters", number: true, cell: ({ length }) => format.count(length) },
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
    const page = { total, more: streams.length < total, missing };
    setText(at("streams-count"), described(streams.length, page, "stream", false));
    this.#table.update(streams);
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
