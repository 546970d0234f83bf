/**
 * The view of the topics, and of one topic in detail.
 */

import { queued, userOf } from "./connections.js";
import { at, fieldsOf, fill, make, setFacts, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { Pages } from "./pages.js";
import { to } from "./route.js";
import { Rates } from "./samples.js";
import { numbers, Table } from "./tables.js";

/** Which frames a subscription gets, in words. */
export function narrowing({ filter, columns, events }) {
  const parts = [];
  if (filter) parts.push(`filter ${JSON.stringify(filter)}`);
  // The daemon may send one column without a list.
  if (columns) parts.push(`columns ${[columns].flat().join(", ")}`);
  if (events) parts.push(`events ${[events].flat().join(", ")}`);
  return parts.join("; ") || "everything";
}

/** The state of a subscription, with a tone. */
export function stateOf(state) {
  return { text: state, tone: { live: "fine", none: "problem" }[state] ?? "notice" };
}

export class Topics {
  #query = {};
  #chosen = null;
  #form = at("topics-form");
  #panel = at("topic");
  #rates = new Rates();
  #perSecond = new Map();
  #table = new Table({
    caption: "Topics, by name",
    hideCaption: true,
    key: ({ topic }) => topic,
    empty: "There are no topics: no client has subscribed or published.",
    columns: [
      {
        label: "Topic",
        cell: ({ topic }) => ({
          text: topic,
          href: to("topics", { prefix: this.#query.prefix, topic }),
        }),
      },
      numbers("Subscribers", ({ subscribers }) => subscribers),
      numbers("Present", ({ present }) => present),
      numbers("Frames / s", ({ topic }) => this.#perSecond.get(topic), format.rate),
      numbers("Frames", ({ published }) => published),
      numbers("Held", ({ held }) => held),
      numbers("Size", ({ bytes }) => bytes, format.bytes),
    ],
  });
  #members = new Table({
    caption: "Present",
    key: ({ connectionId }) => connectionId,
    empty: "No user is present.",
    columns: [
      { label: "User", cell: ({ userId }) => userOf(userId) },
      { label: "Connection", cell: ({ connectionId }) => connectionId },
      { label: "State", wraps: true, cell: ({ state }) => JSON.stringify(state) },
    ],
  });
  #subscriptions = new Table({
    caption: "Subscriptions",
    key: ({ connection }) => connection,
    empty: "No client has subscribed.",
    columns: [
      {
        label: "User",
        cell: ({ userId }) =>
          userId === null
            ? "no user"
            : { text: userId, href: to("why", { user: userId, topic: this.#chosen }) },
      },
      { label: "Connection", cell: ({ connection }) => connection },
      { label: "Gets", wraps: true, cell: narrowing },
      { label: "State", cell: ({ state }) => stateOf(state) },
      { label: "Queued", number: true, sort: (row) => row.queued, cell: queued },
    ],
  });
  #pages;

  constructor(refresh) {
    at("topics-table").append(this.#table.element);
    at("topic-members").append(this.#members.element);
    at("topic-subscriptions").append(this.#subscriptions.element);
    this.#pages = new Pages({
      button: at("topics-more"),
      count: at("topics-count"),
      noun: "topic",
      wished: refresh,
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.hash = to("topics", { ...fieldsOf(this.#form), topic: this.#chosen });
    });
  }

  show({ prefix, topic }) {
    if (this.#query.prefix !== prefix) this.#pages.reset();
    this.#query = { prefix };
    fill(this.#form, this.#query);
    const chosen = topic ?? null;
    const other = chosen !== this.#chosen;
    this.#chosen = chosen;
    this.#panel.hidden = true;
    if (other && chosen !== null) this.#choose(chosen);
    else this.#panel.hidden = chosen === null;
  }

  hide() {}

  /** Milliseconds between two refreshes: more for a long list. */
  get every() {
    return 2000 + 2 * this.#table.size;
  }

  #choose(topic) {
    this.#panel.hidden = false;
    setText(at("topic-title"), topic);
    setText(at("topic-error"), "");
    setFacts(at("topic-facts"), []);
    this.#members.update([]);
    this.#subscriptions.update([]);
    at("topic-links").replaceChildren(
      make("a", { href: to("inspector", { topic }) }, "Watch its frames"),
      make("a", { href: to("connections", { topic }) }, "Its connections"),
      make("a", { href: to("topics", this.#query) }, "Close"),
    );
    at("topic-title").focus();
  }

  async refresh(api, signal, now) {
    const query = this.#query;
    const rows = await this.#pages.fetch(
      (page) => api.get("topics", { ...query, ...page }, signal),
      "topics",
      ({ topic }) => topic,
    );
    if (query !== this.#query) return;
    this.#perSecond = this.#rates.of(
      rows.map(({ topic, published }) => [topic, published]),
      now,
    );
    this.#table.update(rows);
    if (this.#chosen !== null) await this.#look(this.#chosen, api, signal);
  }

  async #look(topic, api, signal) {
    let answer;
    try {
      answer = await api.get("topic", { topic }, signal);
    } catch (error) {
      if (!error.isAboutRequest) throw error;
      if (topic === this.#chosen) setLinked(at("topic-error"), error.message);
      return;
    }
    if (topic !== this.#chosen) return;
    setText(at("topic-error"), "");
    setFacts(at("topic-facts"), [
      ["Table", answer.table ?? "none: a topic of your own"],
      ["Frames / s", format.rate(this.#perSecond.get(answer.topic))],
      ["Frames", format.count(answer.published)],
      ["Held in memory", `${format.count(answer.held)}, ${format.bytes(answer.bytes)}`],
      ["Newest position", answer.pos ?? format.NONE],
    ]);
    const { members, membersTotal, subscriptions, subscribers } = answer;
    this.#members.caption = captionOf("Present", members.length, membersTotal);
    this.#members.update(members);
    this.#subscriptions.caption = captionOf("Subscriptions", subscriptions.length, subscribers);
    this.#subscriptions.update(subscriptions);
  }
}

function captionOf(name, shown, total) {
  return shown < total ? `${name}: the first ${shown} of ${format.count(total)}` : `${name}: ${shown}`;
}
