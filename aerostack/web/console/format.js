/**
 * Numbers and times, as people read them.
 */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MINUTE = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const STAMP = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const SPANS = [
  { size: 86_400, unit: "d" },
  { size: 3600, unit: "h" },
  { size: 60, unit: "min" },
  { size: 1, unit: "s" },
];

/** The text for a missing value. */
export const NONE = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with two or three digits. */
const brief = (value) => String(Number(value.toPrecision(value < 100 ? 2 : 3)));

/** A whole number with all its digits: `1,234`. */
export function whole(value) {
  return isNumber(value) ? WHOLE.format(value) : NONE;
}

/** A whole number: `1,234`, and `1.23M` where that is too long. */
export function count(value) {
  if (!isNumber(value)) return NONE;
  return Math.abs(value) < 1_000_000 ? whole(value) : COMPACT.format(value);
}

/** A rate per second. */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  return value !== 0 && Math.abs(value) < 10 ? brief(value) : count(value);
}

export function bytes(value) {
  if (!isNumber(value)) return NONE;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? brief(value) : value} ${UNITS[unit]}`;
}

/** A short time, in milliseconds: `43 µs`, `0.42 ms`, `1.2 s`. */
export function milliseconds(value) {
  if (!isNumber(value)) return NONE;
  if (value > 0 && value < 0.1) return `${brief(value * 1000)} µs`;
  if (value >= 60_000) return duration(value);
  return value < 1000 ? `${brief(value)} ms` : `${brief(value / 1000)} s`;
}

/** A long time, in milliseconds, with its two largest units: `3 min 20 s`. */
export function duration(value) {
  if (!isNumber(value)) return NONE;
  let seconds = Math.max(0, Math.floor(value / 1000));
  const first = SPANS.findIndex(({ size }) => seconds >= size);
  if (first < 0) return "0 s";
  const parts = [];
  for (const { size, unit } of SPANS.slice(first, first + 2)) {
    const whole = Math.floor(seconds / size);
    seconds -= whole * size;
    if (whole) parts.push(`${whole} ${unit}`);
  }
  return parts.join(" ");
}

/** A time span, in milliseconds, with one unit, so that the text changes seldom. */
export function age(value) {
  return duration(value).split(" ", 2).join(" ");
}

/** The time of the day. */
export function clock(at) {
  return isNumber(at) ? CLOCK.format(at) : NONE;
}

/** The time of the day without its seconds. */
export function minute(at) {
  return MINUTE.format(at);
}

/** The day and the time. */
export function stamp(at) {
  return isNumber(at) ? STAMP.format(at) : NONE;
}

/** A number with its noun. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
