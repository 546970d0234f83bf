/**
 * How long the client and the console wait between attempts.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff } from "../../../aerostack/web/client/backoff.js";

/** Let `Math.random` give one value until the test ends. */
function fakeRandom(t, value) {
  const { random } = Math;
  Math.random = () => value;
  t.after(() => (Math.random = random));
}

test("the bound doubles with each attempt, up to the longest", () => {
  assert.deepEqual([0, 1, 2, 3, 9, 5000].map((attempt) => backoff(attempt, 500, 3000, 0)), [
    500, 1000, 2000, 3000, 3000, 3000,
  ]);
});

test("the jitter says how much of the bound is random", (t) => {
  fakeRandom(t, 0.5);
  assert.equal(backoff(1, 500, 30_000), 500);
  assert.equal(backoff(1, 500, 30_000, 0.5), 750);
  fakeRandom(t, 0);
  assert.equal(backoff(1, 500, 30_000), 0);
});
