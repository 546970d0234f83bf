/**
 * The view that explains why publications did not reach a user.
 */

import { queued } from "./connections.js";
import { at, fieldsOf, fill, make, setAttribute, setFacts, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { feedFacts } from "./overview.js";
import { to } from "./route.js";
import { Table } from "./tables.js";
import { narrowing, stateOf } from "./topics.js";

const SEVERITIES = { problem: "Problem", notice: "Notice", fine: "Fine" };

export class Why {
  every = 2000;
  #query = null;
  #form = at("why-form");
  #answer = at("why-answer");
  #heard = "";
  #now = 0;
  #connections = new Table({
    caption: "The user’s connections",
    key: ({ id }) => id,
    empty: "The user has no connection.",
    columns: [
      { label: "Connection", cell: ({ id }) => id },
      {
        label: "Open for",
        number: true,
        sort: ({ opened }) => -opened,
        cell: ({ opened }) => ({
          text: format.age(this.#now - opened),
          title: format.stamp(opened),
        }),
      },
      { label: "Subscribed", cell: ({ subscribed }) => (subscribed ? "yes" : "no") },
      { label: "State", cell: ({ state }) => stateOf(state) },
      { label: "Gets", wraps: true, cell: (row) => (row.subscribed ? narrowing(row) : "") },
      { label: "Rule", wraps: true, cell: ({ rule }) => rule ?? "" },
      { label: "Queued", number: true, sort: (row) => row.queued, cell: queued },
    ],
  });
  #ended = new Table({
    caption: "Connections of the user that ended lately",
    key: ({ id, at: when }) => `${id} ${when}`,
    empty: "No connection of the user ended lately.",
    columns: [
      { label: "Connection", cell: ({ id }) => id },
      { label: "Ended", sort: (row) => row.at, cell: ({ at: when }) => format.stamp(when) },
      { label: "Code", number: true, cell: ({ code }) => code ?? "" },
      { label: "Reason", wraps: true, cell: ({ reason }) => reason ?? "" },
    ],
  });

  constructor() {
    at("why-connections").append(this.#connections.element);
    at("why-ended").append(this.#ended.element);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.hash = to("why", fieldsOf(this.#form));
    });
  }

  show({ user, topic }) {
    fill(this.#form, { user, topic });
    this.#query = user && topic ? { user, topic } : null;
    this.#answer.hidden = true;
  }

  hide() {}

  async refresh(api, signal, now) {
    const query = this.#query;
    if (!query) return;
    const answer = await api.get("explain", query, signal);
    if (query !== this.#query) return;
    this.#now = now;
    setLinked(at("why-verdict"), answer.verdict);
    const worst = ["problem", "notice"].find((severity) =>
      answer.findings.some((finding) => finding.severity === severity),
    );
    setAttribute(at("why-verdict"), "data-tone", worst ?? "fine");
    this.#speak(answer);
    // The verdict ends with what the worst finding says.
    presentFindings(answer.findings.filter(({ message }) => !answer.verdict.endsWith(message)));
    this.#connections.update(answer.connections);
    this.#ended.update(answer.ended);
    setFacts(at("why-stream"), streamFacts(answer.stream));
    at("why-feed-panel").hidden = !answer.feed;
    if (answer.feed) setFacts(at("why-feed"), feedFacts(answer.feed));
    this.#answer.hidden = false;
  }

  /** Let screen readers read the verdict when the findings change, not when only a time changes. */
  #speak({ user, topic, verdict, findings }) {
    const codes = findings.map(({ code, connection }) => [code, connection]);
    const heard = JSON.stringify([user, topic, codes]);
    if (heard === this.#heard) return;
    this.#heard = heard;
    setText(at("why-said"), verdict);
  }
}

function presentFindings(findings) {
  const list = at("why-findings");
  list.hidden = findings.length === 0;
  while (list.children.length > findings.length) list.lastElementChild.remove();
  findings.forEach(({ severity, message }, index) => {
    let item = list.children[index];
    if (!item) {
      item = make("li", {}, make("strong", { class: "badge" }), make("span"));
      list.append(item);
    }
    const [badge, text] = item.children;
    setAttribute(badge, "data-tone", severity);
    setText(badge, SEVERITIES[severity]);
    setLinked(text, message);
  });
}

function streamFacts(stream) {
  if (!stream) return [["Published", "nothing that the daemon remembers"]];
  const last = stream.last;
  return [
    ["Published", format.count(stream.published)],
    ["Held in memory", format.count(stream.held)],
    ["Newest position", stream.pos ?? format.NONE],
    ["Newest frame", last ? `${last.event ?? last.operation}, ${format.stamp(last.at)}` : format.NONE],
  ];
}
