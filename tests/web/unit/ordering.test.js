/**
 * Rows in the order, and within the limit, of their snapshot.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Ordering } from "../../../aerostack/web/client/ordering.js";
import { Rows } from "../../../aerostack/web/client/rows.js";
import { World, change, settle } from "./fakes.js";

/** Numbers that look random, the same in every run. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** A table, and its rows as the daemon sends them to a client with an order and a limit. */
class Table {
  rows = new Map();

  constructor(order, limit) {
    Object.assign(this, { order, limit });
  }

  /** The first rows of the whole table, sorted anew by plain means. */
  get first() {
    const found = [...this.rows.values()].sort((x, y) => {
      for (const [column, direction] of this.order) {
        const [a, b] = [x[column], y[column]];
        if (a === b) continue;
        if (a === null || b === null) return a === null ? 1 : -1;
        return (a < b ? -1 : 1) * (direction === "desc" ? -1 : 1);
      }
      return 0;
    });
    return found.slice(0, this.limit);
  }

  snapshot(rows) {
    rows.begin();
    const [head, tail] = [this.first.slice(0, 2), this.first.slice(2)];
    rows.page({ rows: head, more: true });
    rows.page({ rows: tail, more: false });
  }

  /** Change a row; the frame that a client gets. */
  write(id, row) {
    const old = this.rows.get(id);
    if (row === null) {
      this.rows.delete(id);
      return old && { operation: "DELETE", data: old, old };
    }
    this.rows.set(id, row);
    return { operation: old ? "UPDATE" : "INSERT", data: row, old };
  }
}

const VALUES = [null, 0, 1, 2, 2.5, -3, 10];

test("rows stay sorted and limited under any changes", () => {
  let asked = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const below = random(seed);
    const direction = below(2) ? "desc" : "asc";
    const order = [["n", direction], ["id", below(2) ? "desc" : "asc"]];
    const limit = [undefined, 1, 3, 10][below(4)];
    const table = new Table(order, limit);
    for (let count = below(20); count > 0; count -= 1) {
      const id = below(30);
      table.write(id, { id, n: VALUES[below(VALUES.length)] });
    }
    const rows = new Rows({ order, limit }, assert.fail);
    table.snapshot(rows);
    assert.deepEqual(rows.list, table.first);
    for (let step = 0; step < 150; step += 1) {
      const id = below(30);
      const row = below(3) ? { id, n: VALUES[below(VALUES.length)] } : null;
      const frame = table.write(id, row);
      if (frame) rows.change(frame);
      if (rows.isShort) {
        // It asks again, and what it has is right until the rows come.
        assert.deepEqual(rows.list, table.first.slice(0, rows.list.length));
        asked += 1;
        table.snapshot(rows);
      }
      assert.deepEqual(rows.list, table.first, `seed ${seed}, step ${step}`);
    }
  }
  assert.ok(asked > 100);
});

test("a limit holds no more rows than are of use", () => {
  const rows = new Rows({ order: [["id", "desc"]], limit: 2 }, assert.fail);
  rows.begin();
  rows.page({ rows: [], more: false });
  for (let id = 0; id < 1000; id += 1) rows.change({ operation: "INSERT", data: { id } });
  assert.deepEqual(rows.list, [{ id: 999 }, { id: 998 }]);
  for (let id = 999; id > 900; id -= 1) rows.change({ operation: "DELETE", data: { id } });
  assert.deepEqual(rows.list, [{ id: 900 }, { id: 899 }]);
  assert.equal(rows.isShort, false);
  for (let id = 900; id > 500; id -= 1) rows.change({ operation: "DELETE", data: { id } });
  assert.equal(rows.isShort, true);
});

test("without an order rows stay as they came, within the limit", () => {
  const rows = new Rows({ limit: 2 }, assert.fail);
  rows.begin();
  rows.page({ rows: [{ id: 3 }, { id: 1 }], more: false });
  rows.change({ operation: "INSERT", data: { id: 2 } });
  rows.change({ operation: "UPDATE", data: { id: 3, n: 1 }, old: { id: 3 } });
  assert.deepEqual(rows.list, [{ id: 3, n: 1 }, { id: 1 }]);
  rows.change({ operation: "DELETE", data: { id: 1 } });
  assert.deepEqual(rows.list, [{ id: 3, n: 1 }, { id: 2 }]);
});

test("values compare as the daemon compares them", () => {
  for (const values of [
    [-1.5, 0, "9007199254740993", "9007199254740994", "12345678901234567890.5", "12345678901234567890.75", null],
    ["-9007199254740994", "-9007199254740993", 5, "not a number", null],
    ["", "10", "9", "Z", "a", "é", "\uffee", "😀", null],
    [false, true, null],
    ["2026-11-30T10:00:00", "2026-11-30T10:00:00.5", "2026-12-01T00:00:00", null],
  ]) {
    for (const direction of ["asc", "desc"]) {
      const ordering = new Ordering([["v", direction]]);
      const rows = values.map((v) => ({ v }));
      for (const row of rows) ordering.see(row);
      const known = values.filter((v) => v !== null);
      const wanted = direction === "asc" ? known : known.toReversed?.() ?? [...known].reverse();
      const sorted = [...rows].reverse().sort((x, y) => ordering.compare(x, y));
      assert.deepEqual(sorted.map(({ v }) => v), [...wanted, null]);
    }
  }
});

test("a view that loses a row asks for its rows again, once", async (t) => {
  const world = new World(t);
  const client = world.client();
  const options = { snapshot: true, order: ["id"], limit: 2 };
  const channel = client.channel("orders", options).subscribe();
  await settle();
  await world.socket.open();
  const { socket } = world;
  const { topic } = channel;
  socket.take();
  await socket.say(
    { type: "subscribed", topic },
    { type: "snapshot", topic, rows: [{ id: 1 }, { id: 2 }], more: false, pos: "1" },
    change(topic, "DELETE", { id: 1 }, { old: { id: 1 }, pos: "2" }),
  );
  const [{ type, since, snapshot, limit }] = socket.take();
  assert.deepEqual([type, since, snapshot, limit], ["subscribe", undefined, true, 2]);
  await socket.say(change(topic, "DELETE", { id: 2 }, { old: { id: 2 }, pos: "3" }));
  assert.deepEqual(socket.take(), []);
  await socket.say(
    { type: "subscribed", topic },
    { type: "snapshot", topic, rows: [{ id: 3 }], more: false, pos: "4" },
    change(topic, "DELETE", { id: 3 }, { old: { id: 3 }, pos: "5" }),
  );
  assert.deepEqual([channel.rows, socket.take()], [[], []]);
});
