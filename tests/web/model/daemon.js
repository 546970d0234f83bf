/**
 * A small model of the daemon, as the protocol describes it.  Tests compare a client with it.
 *
 * Frames in both directions wait until a test forwards them, so a test can delay and cut.
 */

const PAGE = 2;

class Line {
  up = [];
  down = [];
  subscribed = new Map();
  isOpen = false;
  /** Whether the connection forwards nothing any more, without the knowledge of either side. */
  isDead = false;
  refused = 0;

  constructor(daemon, socket, number) {
    Object.assign(this, { daemon, socket, id: `c${number}`, tokens: daemon.burst });
    this.filledAt = daemon.clock.now;
    const offered = socket.protocols ?? [];
    const find = (prefix) =>
      offered.find((it) => it.startsWith(prefix))?.slice(prefix.length) ?? null;
    this.session = find("aerostack-session.");
    this.user = find("aerostack-token.");
  }

  send(frame) {
    this.down.push(JSON.stringify(frame));
  }

  refuse(frame, code, more) {
    const { type, id, topic } = frame;
    const request = this.daemon.isOld ? undefined : type;
    this.send({ type: "error", code, message: "No.", request, id, topic, ...more });
  }
}

class Topic {
  log = [];
  rows = new Map();
  members = new Map();
  // The log has no entries up to the first place; up to the second one, columns were different.
  floor = -1;
  alteredAt = -1;
}

export class Daemon {
  lines = [];
  topics = new Map();
  epoch = 1;
  /** How often a publication was accepted, by its id, and by its data. */
  taken = new Map();
  published = new Map();
  /** Connections that were closed for flooding. */
  floods = 0;
  /** Whether it is an older version, without pages of presence and without `request` in errors. */
  isOld = false;
  #count = 0;
  #seen = new Map();

  constructor(clock, { rate = Infinity, burst = Infinity } = {}) {
    Object.assign(this, { clock, rate, burst });
    const daemon = this;
    this.WebSocket = class {
      readyState = 0;

      constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        this.line = new Line(daemon, this, ++daemon.#count);
        daemon.lines.push(this.line);
      }

      send(text) {
        this.line.up.push(text);
      }

      close() {
        daemon.#lose(this.line, !this.line.isDead);
      }
    };
  }

  topic(name) {
    if (!this.topics.has(name)) this.topics.set(name, new Topic());
    return this.topics.get(name);
  }

  // The network

  open(line) {
    line.isOpen = true;
    if (line.session !== null) {
      for (const other of this.lines) {
        if (other === line || other.session !== line.session || !this.lines.includes(other)) continue;
        this.#takeOver(other, line);
      }
    }
    line.socket.onopen?.({});
  }

  /** Forward one frame, to the daemon or to the client; return whether there was one. */
  pass(line, direction) {
    const text = line[direction].shift();
    if (text === undefined) return false;
    if (direction === "down") line.socket.onmessage?.({ data: text });
    else this.#receive(line, text);
    return true;
  }

  /** End a connection; the daemon keeps its presence for a while, or does not notice the end yet. */
  cut(line, code = 1006, reason = "") {
    const { onclose } = line.socket;
    this.#lose(line, false);
    onclose?.({ code, reason });
  }

  /** Forward everything that waits. */
  flush() {
    let found = true;
    while (found) {
      found = false;
      for (const line of [...this.lines]) {
        if (line.isDead) continue;
        if (!line.isOpen) this.open(line);
        for (const direction of ["up", "down"]) while (this.pass(line, direction)) found = true;
      }
    }
  }

  /** Clients whose connections were cut, and that have not reconnected, leave. */
  expire() {
    for (const [name, topic] of this.topics) {
      for (const id of [...topic.members.keys()]) {
        if (!this.lines.some((line) => line.id === id)) this.#leave(name, id);
      }
    }
  }

  /** Forget everything that is not in the database. */
  restart() {
    this.epoch += 1;
    for (const topic of this.topics.values()) {
      topic.log = [];
      topic.floor = topic.alteredAt = -1;
      topic.members.clear();
    }
    for (const line of [...this.lines]) this.cut(line, 1001, "restarting; reconnect in 5 ms");
  }

  #lose(line, isClean) {
    this.lines = this.lines.filter((it) => it !== line);
    if (!isClean) return;
    for (const name of this.topics.keys()) this.#leave(name, line.id);
  }

  #takeOver(other, line) {
    for (const topic of this.topics.values()) {
      const member = topic.members.get(other.id);
      if (member) (line.inherited ??= new Map()).set(topic, member);
    }
    this.lines = this.lines.filter((it) => it !== other);
  }

  // The daemon

  #receive(line, text) {
    const frame = JSON.parse(text);
    if (frame.type === "ping") {
      line.send({ type: "pong" });
      return;
    }
    const isFree = ["auth", "untrack", "unsubscribe"].includes(frame.type);
    if (!isFree && !this.#admit(line, frame)) return;
    if (frame.type === "auth") {
      if (frame.token !== line.user) {
        for (const name of this.topics.keys()) this.#leave(name, line.id);
      }
      line.user = frame.token;
      return;
    }
    this[`_${frame.type}`](line, frame);
  }

  #admit(line, frame) {
    if (this.burst === Infinity) return true;
    const { now } = this.clock;
    line.tokens = Math.min(this.burst, line.tokens + ((now - line.filledAt) / 1000) * this.rate);
    line.filledAt = now;
    if (line.tokens >= 1) {
      line.tokens -= 1;
      line.refused = Math.max(0, line.refused - 1);
      return true;
    }
    line.refused += 1;
    const retryAfter = Math.ceil(((1 - line.tokens) / this.rate) * 1000);
    if (line.refused > this.burst) {
      this.floods += 1;
      this.cut(line, 4029, "frames come too fast");
    } else {
      line.refuse(frame, "rate_limited", { retryAfter });
    }
    return false;
  }

  _subscribe(line, frame) {
    const { since, snapshot } = frame;
    const sync = this.isOld ? undefined : frame.sync;
    const topic = this.topic(frame.topic);
    const pos = `${this.epoch}:${topic.log.length}`;
    const [epoch, place] = (since ?? "").split(":").map(Number);
    const isThere = epoch === this.epoch && place <= topic.log.length && place > topic.floor;
    const recovered = since !== undefined && isThere;
    line.subscribed.set(frame.topic, frame);
    const answer = { type: "subscribed", topic: frame.topic, sync };
    if (since !== undefined) answer.recovered = recovered;
    if (since !== undefined && !recovered) answer.gap = { reason: "unknown" };
    const hasRows = snapshot && !recovered;
    line.send({ ...answer, pos: recovered ? since : hasRows ? undefined : pos });
    if (recovered && place <= topic.alteredAt) this.#tellAltered(frame.topic, [line]);
    if (recovered) topic.log.slice(place).forEach((it) => line.send(it));
    if (hasRows) {
      const rows = [...topic.rows.values()];
      for (let n = 0; n < rows.length; n += PAGE) {
        const page = rows.slice(n, n + PAGE);
        line.send({ type: "snapshot", topic: frame.topic, rows: page, more: true });
      }
      line.send({ type: "snapshot", topic: frame.topic, rows: [], more: false, pos });
    }
    this.#sync(line, frame.topic);
  }

  #sync(line, name) {
    const members = [...this.topic(name).members.values()];
    if (this.isOld) {
      const all = { type: "event", topic: name, event: "presence:sync", data: { members } };
      if (members.length) line.send(all);
      return;
    }
    for (let n = 0; n < members.length; n += PAGE) {
      const data = { members: members.slice(n, n + PAGE), page: n / PAGE };
      line.send({ type: "event", topic: name, event: "presence:sync", data });
    }
    line.send({ type: "synced", topic: name });
  }

  _unsubscribe(line, { topic }) {
    line.subscribed.delete(topic);
    line.send({ type: "unsubscribed", topic });
  }

  _publish(line, { id, topic, event, data }) {
    const known = `${line.session} ${id}`;
    if (!this.#seen.has(known)) {
      this.#seen.set(known, true);
      this.taken.set(id, (this.taken.get(id) ?? 0) + 1);
      this.published.set(data, (this.published.get(data) ?? 0) + 1);
      this.append(topic, { type: "event", event, data });
    }
    line.send({ type: "ack", id });
  }

  _track(line, { topic: name, state, sync }) {
    const topic = this.topic(name);
    const inherited = line.inherited?.get(topic);
    if (inherited) {
      line.inherited.delete(topic);
      this.#leave(name, inherited.connectionId);
    }
    const isNew = !topic.members.has(line.id);
    const member = { connectionId: line.id, userId: line.user, state, since: 1 };
    topic.members.set(line.id, member);
    this.#tellPresence(name, isNew ? "presence:join" : "presence:update", member, line);
    if (isNew || sync) this.#sync(line, name);
  }

  _untrack(line, { topic }) {
    this.#leave(topic, line.id);
  }

  #leave(name, id) {
    const topic = this.topic(name);
    const member = topic.members.get(id);
    if (!topic.members.delete(id)) return;
    this.#tellPresence(name, "presence:leave", member);
  }

  #tellPresence(topic, event, data) {
    this.#tell(topic, { type: "event", topic, event, data });
  }

  #tell(topic, frame) {
    for (const line of this.lines) if (line.subscribed.has(topic)) line.send(frame);
  }

  /** Append an entry to a topic's log. */
  append(name, frame) {
    const { log } = this.topic(name);
    const pos = `${this.epoch}:${log.length + 1}`;
    log.push({ ...frame, topic: name, pos, timestamp: 1 });
    this.#tell(name, log.at(-1));
  }

  /** Let another member join or leave. */
  visit(name, id, state) {
    const member = { connectionId: id, userId: id, state, since: 1 };
    const { members } = this.topic(name);
    const isNew = !members.has(id);
    members.set(id, member);
    this.#tellPresence(name, isNew ? "presence:join" : "presence:update", member);
  }

  depart(name, id) {
    this.#leave(name, id);
  }

  /** Write a row of a table. */
  write(name, row) {
    const { rows } = this.topic(name);
    const old = rows.get(row.id);
    rows.set(row.id, row);
    const operation = old ? "UPDATE" : "INSERT";
    this.append(name, { type: "db_change", operation, data: row, old });
  }

  remove(name, id) {
    const { rows } = this.topic(name);
    const old = rows.get(id);
    if (!rows.delete(id)) return;
    this.append(name, { type: "db_change", operation: "DELETE", data: old, old });
  }

  /** Change many rows without a change for each. */
  truncate(name) {
    const topic = this.topic(name);
    topic.rows.clear();
    this.append(name, { type: "event", event: "step", data: null });
    topic.floor = topic.log.length;
    this.#tell(name, { type: "error", code: "table_lost", message: "It was emptied.", topic: name });
    this.#tell(name, { type: "status", topic: name, table: "back", message: "It is back." });
  }

  /** Remove a permission. */
  forbid(name) {
    for (const line of this.lines) {
      if (!line.subscribed.delete(name)) continue;
      line.send({ type: "error", code: "forbidden", message: "No more.", topic: name });
      line.send({ type: "unsubscribed", topic: name });
    }
  }

  alter(name, value) {
    const topic = this.topic(name);
    for (const [id, row] of topic.rows) topic.rows.set(id, { ...row, added: value });
    this.append(name, { type: "event", event: "step", data: null });
    topic.alteredAt = topic.log.length;
    this.#tellAltered(name, this.lines);
  }

  #tellAltered(topic, lines) {
    for (const line of lines) {
      if (!line.subscribed.has(topic)) continue;
      line.send({ type: "status", topic, table: "altered", message: "It was altered." });
    }
  }

}
