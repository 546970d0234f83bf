/**
 * A pause, during which a part of the client sends nothing.
 */

export class Pause {
  #over;
  #timer;

  /** @param {() => void} over  Called when a pause is over by itself. */
  constructor(over) {
    this.#over = over;
  }

  get isOn() {
    return this.#timer !== undefined;
  }

  /** Begin a pause of some milliseconds, instead of the one that is on. */
  begin(delay) {
    this.end();
    this.#timer = setTimeout(() => {
      this.end();
      this.#over();
    }, delay);
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
