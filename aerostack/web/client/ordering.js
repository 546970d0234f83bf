/**
 * The order of a table's rows, as the daemon orders those of a snapshot: by columns, nulls last.
 */

/** Compare texts by code points, as the daemon does: JavaScript compares UTF-16 code units. */
function compareTexts(a, b) {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x === y) continue;
    // Halves of surrogate pairs stand for code points beyond all others.
    const [isHighX, isHighY] = [x >= 0xd800 && x < 0xe000, y >= 0xd800 && y < 0xe000];
    return isHighX === isHighY ? x - y : isHighX ? 1 : -1;
  }
  return a.length - b.length;
}

/** A whole number of many digits, or one with a fraction, which the daemon sends as a text. */
const NUMBER = /^-?\d+(\.\d+)?$/;

/** Compare numbers, of which at least one is a text because a double cannot hold it. */
function compareNumbers(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (x !== y || !Number.isFinite(x)) return x < y ? -1 : x > y ? 1 : 0;
  const [[wholeX, partX = ""], [wholeY, partY = ""]] = [String(a).split("."), String(b).split(".")];
  const [bigX, bigY] = [BigInt(wholeX), BigInt(wholeY)];
  if (bigX !== bigY) return bigX < bigY ? -1 : 1;
  const width = Math.max(partX.length, partY.length);
  const parts = compareTexts(partX.padEnd(width, "0"), partY.padEnd(width, "0"));
  return String(a).startsWith("-") ? -parts : parts;
}

/** Compares the values of one column. */
class Column {
  #name;
  #sign;
  // Whether the column holds numbers, so that texts in it stand for numbers.
  #isNumeric = false;

  constructor(name, direction) {
    this.#name = name;
    this.#sign = direction === "desc" ? -1 : 1;
  }

  /** Take note of the type of a value; return whether texts count as numbers from now on. */
  see(row) {
    if (this.#isNumeric || typeof row[this.#name] !== "number") return false;
    this.#isNumeric = true;
    return true;
  }

  compare(rowX, rowY) {
    const [x, y] = [rowX[this.#name] ?? null, rowY[this.#name] ?? null];
    if (x === y) return 0;
    if (x === null || y === null) return x === null ? 1 : -1;
    return this.#sign * this.#compare(x, y);
  }

  #compare(x, y) {
    const isText = typeof x === "string" && typeof y === "string";
    if (isText && !(this.#isNumeric && NUMBER.test(x) && NUMBER.test(y))) return compareTexts(x, y);
    if (typeof x === "string" || typeof y === "string") {
      if (NUMBER.test(String(x)) && NUMBER.test(String(y))) return compareNumbers(x, y);
      // SQLite can keep texts in a column of numbers, behind these.
      return typeof x === "string" ? 1 : -1;
    }
    return x < y ? -1 : x > y ? 1 : 0;
  }
}

/** Compares rows by the option `order`. */
export class Ordering {
  #columns;

  /** @param {(string | [column: string, direction: "asc" | "desc"])[]} order */
  constructor(order) {
    this.#columns = order.map((each) => (Array.isArray(each) ? new Column(...each) : new Column(each)));
  }

  /** Take note of a row's types; return whether rows before may compare otherwise now. */
  see(row) {
    let isChanged = false;
    for (const column of this.#columns) isChanged = column.see(row) || isChanged;
    return isChanged;
  }

  compare(x, y) {
    for (const column of this.#columns) {
      const result = column.compare(x, y);
      if (result) return result;
    }
    return 0;
  }
}
