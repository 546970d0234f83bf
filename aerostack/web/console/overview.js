/**
 * The overview: the state of the daemon at a glance.
 */

import { Chart, loadLibrary } from "./charts.js";
import { at, make, setFacts } from "../shared/dom.js";
import * as format from "./format.js";

const CHARTS = [
  {
    title: "Throughput",
    unit: "a second",
    format: format.rate,
    series: [
      { label: "Deliveries", path: "deliveries", colour: 1 },
      { label: "Publications", path: "publications", colour: 2 },
      { label: "Table changes", path: "changes", colour: 3 },
    ],
  },
  {
    title: "Latency",
    unit: "from commit or publish to delivery",
    format: format.milliseconds,
    series: [
      { label: "Table change p50", path: "feed.p50", colour: 3 },
      { label: "Table change p99", path: "feed.p99", colour: 3, dashed: true },
      { label: "Publication p50", path: "publish.p50", colour: 2 },
      { label: "Publication p99", path: "publish.p99", colour: 2, dashed: true },
    ],
  },
  {
    title: "Clients",
    unit: "open",
    format: format.count,
    whole: true,
    series: [
      { label: "Connections", path: "connections", colour: 1 },
      { label: "Subscriptions", path: "subscriptions", colour: 4 },
    ],
  },
  {
    title: "Delay of the event loop",
    unit: "at worst in each second",
    format: format.milliseconds,
    series: [{ label: "Behind", path: "turn", colour: 4 }],
  },
];

// The pause between two drawings for users who prefer reduced motion, in milliseconds.
const CALM = 10_000;

// After so many seconds the console marks a delay of the feed, changes that wait to be read, and an
// open transaction.
const LAGGING = 5;
const UNNUMBERED = 1;
const HELD = 10;

/** The facts of the change feed. */
export function feedFacts(feed) {
  const facts = [
    ["State", feed.up ? "Up" : "Down: changes cannot be read", feed.up ? "fine" : "problem"],
    ["Behind by", format.milliseconds(feed.lag * 1000), feed.lag > LAGGING ? "notice" : undefined],
    ["Newest change", format.whole(feed.position)],
  ];
  const { age = 0, holder = null } = feed.waiting ?? {};
  if (age >= UNNUMBERED) {
    facts.push(["Yet to be read", `since ${format.duration(age * 1000)}`, "notice"]);
  }
  if (holder) {
    const open = `${holder.who} of ${holder.role}, for ${format.duration(holder.age * 1000)}`;
    facts.push(["Open transaction", open, holder.age >= HELD ? "notice" : undefined]);
    const effect = holder.isRecorded ? "Its own changes, until it ends" : "Nothing";
    facts.push(["It holds back", effect], ["To end it", holder.remedy]);
  }
  return facts;
}

/** The facts of the workers, if there are several. */
export function workerFacts({ workers = {}, missing = [] }) {
  const facts = Object.entries(workers).map(([name, { connections, lag, memory }]) => [
    titled(name),
    `${format.plural(connections, "connection")}, late by ${format.milliseconds(lag * 1000)}, ${format.bytes(memory)}`,
  ]);
  if (missing.length) {
    facts.push(["Numbers", `Without those of ${missing.join(", ")}, which did not answer`, "notice"]);
  }
  return facts;
}

const STATES = { here: "this one", up: "heard", silent: "not heard", unknown: "out of reach" };

/** The facts of the nodes that share an engine, if there is one. */
export function nodeFacts({ nodes = [] }) {
  return nodes.map(({ name, state, run, connections, uptime, heard, lag, differences = [] }) => {
    const away = state !== "here" && state !== "up";
    const parts = [
      STATES[state] ?? state,
      ...(away ? [`for ${format.duration(heard * 1000)}`] : []),
      format.plural(connections, "connection"),
      `late by ${format.milliseconds(lag * 1000)}`,
      `up ${format.duration(uptime * 1000)}`,
      `run ${run}`,
      ...differences,
    ];
    return [name, parts.join(", "), away || differences.length ? "notice" : undefined];
  });
}

/** A name as a label. */
const titled = (name) => name[0].toUpperCase() + name.slice(1);

export class Overview {
  #charts;
  #samples;
  #drawn = 0;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(samples) {
    this.#samples = samples;
    this.#charts = CHARTS.map((chart) => new Chart({ ...chart, span: samples.span }));
    at("charts").append(...this.#charts.map(({ element }) => element));
    this.#load();
  }

  async #load() {
    const library = await loadLibrary();
    at("chart-note").hidden = library !== null;
    if (library) for (const chart of this.#charts) chart.use(library);
  }

  show() {
    this.#drawn = 0;
  }

  hide() {}

  /** Show an answer of the daemon. */
  present(answer) {
    const last = this.#samples.last;
    const { metrics } = answer;
    setFacts(at("tiles"), [
      // The metrics are those of one node, the samples those of all.
      ["Connections", format.count(answer.nodes ? last?.connections : metrics.aerostack_connections)],
      [
        "Subscriptions",
        format.count(answer.nodes ? last?.subscriptions : metrics.aerostack_subscriptions),
      ],
      ["Topics", format.count(metrics.aerostack_topics)],
      ["Publications / s", format.rate(last?.publications)],
      ["Deliveries / s", format.rate(last?.deliveries)],
      ["Feed lag", format.milliseconds(answer.feed.lag * 1000)],
    ]);
    setFacts(at("feed"), feedFacts(answer.feed));
    this.#presentTables(answer.feed.tables);
    const { status, checks, notices = {} } = answer.health;
    const works = status === "ok";
    setFacts(at("health"), [
      ["Daemon", works ? "Works" : "Fails", works ? "fine" : "problem"],
      ...Object.entries(checks).map(([name, fault]) => [
        titled(name),
        fault === "ok" ? "In order" : fault,
        fault === "ok" ? "fine" : "problem",
      ]),
      ...Object.entries(notices).map(([name, notice]) => [titled(name), notice, "notice"]),
      ...workerFacts(answer),
      ...nodeFacts(answer),
      ["Running since", format.stamp(answer.started)],
      ["Published", format.count(metrics.aerostack_publications_total)],
      ["Published by SQL", format.count(metrics.aerostack_emitted_total)],
      ["Table changes", format.count(metrics.aerostack_changes_total)],
      ["Delivered", format.count(metrics.aerostack_delivered_total)],
    ]);
    const now = Date.now();
    if (this.#calm.matches && now - this.#drawn < CALM) return;
    this.#drawn = now;
    for (const chart of this.#charts) chart.draw(this.#samples);
  }

  #presentTables(tables) {
    const list = at("tables");
    const shown = [...list.children].map(({ textContent }) => textContent);
    if (shown.join("\n") === tables.join("\n")) return;
    list.replaceChildren(...tables.map((name) => make("li", {}, name)));
  }
}
