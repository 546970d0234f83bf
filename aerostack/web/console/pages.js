/**
 * Long lists, some rows at a time.
 */

import { setText } from "../shared/dom.js";
import { plural } from "./format.js";

// How many rows there are at first, how many each wish for more adds, and how many at the most.
const FIRST = 100;
const STEP = 500;
const MOST = 2000;
// How many rows the daemon gives at once.
const LARGEST = 500;

/** A list of which as much is asked for as is wished for. */
export class Pages {
  #want = FIRST;
  #button;
  #count;
  #noun;

  /** `wished` is called when more is wished for. */
  constructor({ button, count, noun, wished }) {
    this.#button = button;
    this.#count = count;
    this.#noun = noun;
    button.addEventListener("click", () => {
      this.#want = Math.min(this.#want + STEP, MOST);
      wished();
    });
  }

  /** Begin again with few. */
  reset() {
    this.#want = FIRST;
  }

  /** Fetch the rows: `ask({limit, after})` gives a page, `key` what the next goes on after. */
  async fetch(ask, name, key) {
    const rows = [];
    let page;
    do {
      const limit = Math.min(this.#want - rows.length, LARGEST);
      page = await ask({ limit, after: rows.length ? key(rows.at(-1)) : null });
      rows.push(...page[name]);
    } while (page.more && page[name].length && rows.length < this.#want);
    this.#present(rows.length, page);
    return rows;
  }

  #present(shown, { total, more }) {
    const all = plural(total, this.#noun);
    const part = more ? `The first ${shown} of ${all}.` : `${all}.`;
    const full = more && this.#want >= MOST;
    setText(this.#count, full ? `${part} Filter to see others.` : part);
    this.#button.hidden = !more || full;
  }
}
