/**
 * The view of a topic's frames as the daemon publishes them, with a form to publish one.
 */

import { Acting } from "./acting.js";
import { ApiError } from "./api.js";
import { at, fieldsOf, fill, keepFocus, make, setAttribute, setLinked, setText } from "../shared/dom.js";
import * as format from "./format.js";
import { Frames } from "./frames.js";
import { judge } from "./loop.js";
import { to } from "./route.js";

export class Inspector {
  #api = null;
  #topic = null;
  #frames = new Frames();
  #items = new Map();
  #controller = null;
  #timer;
  #failures = 0;
  // Whether the user wants to watch, also while the daemon refuses.
  #wanted = false;
  #drawing = false;
  #form = at("inspector-form");
  #publish = at("publish-form");
  #list = at("frames");
  #acting = at("acting-form");
  #error = at("inspector").querySelector(":scope > .error");

  constructor() {
    this.#acting.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act();
    });
    this.#acting.addEventListener("reset", () => setTimeout(() => this.#act()));
    at("frames-filter").addEventListener("input", () => this.#filter());
    at("frames-filter").addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { topic } = fieldsOf(this.#form);
      if (topic === this.#topic) this.#begin();
      else location.hash = to("inspector", { topic });
    });
    at("inspector-stop").addEventListener("click", () => {
      this.#wanted = false;
      this.#stop("Stopped.");
    });
    at("frames-pause").addEventListener("click", () => this.#pause(!this.#frames.isPaused));
    at("frames-clear").addEventListener("click", () => {
      this.#frames.clear();
      this.#draw();
    });
    // A frame that the user has opened must not move away.
    const opened = () => this.#list.querySelector("details[open]") && this.#pause(true);
    this.#list.addEventListener("toggle", opened, true);
    this.#publish.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  show({ topic }, api) {
    this.#api = api;
    if (!topic || topic === this.#topic) return;
    this.#topic = topic;
    fill(this.#form, { topic });
    fill(this.#publish, { topic });
    this.#frames.clear();
    this.#draw();
    this.#begin();
  }

  /** Another view was opened. */
  hide() {
    this.#wanted = false;
    this.#stop("Nothing is watched.");
    this.#topic = null;
  }

  /** Who watches and publishes: the operator, or the user whom the operator has named. */
  get #source() {
    const { user, credential } = fieldsOf(this.#acting);
    return user || credential ? new Acting(this.#api.project, user, credential) : this.#api;
  }

  /** Go on as another user. */
  #act() {
    const { user, credential } = fieldsOf(this.#acting);
    const who = user || (credential && "the credential’s user");
    setText(at("acting-summary"), who ? `As ${who}` : "As the operator, with all rights");
    // What was refused to the user before says nothing of this one.
    for (const said of [this.#error, at("publish-error"), at("publish-state")]) setText(said, "");
    if (this.#wanted) this.#begin();
  }

  #filter() {
    const { event, user } = fieldsOf(at("frames-filter"));
    this.#frames.filter(event, user);
    // Frames that come back belong between others.
    this.#items.clear();
    this.#list.replaceChildren();
    this.#draw();
  }

  // Watching

  async #begin() {
    this.#end();
    this.#wanted = true;
    const controller = (this.#controller = new AbortController());
    const topic = this.#topic;
    at("inspector-stop").disabled = false;
    setText(this.#error, "");
    let failure;
    try {
      for await (const frame of this.#source.watch(topic, controller.signal)) {
        if (controller !== this.#controller) return;
        this.#take(frame);
      }
      failure = new ApiError(0, "ended", "The daemon ended the stream of frames.");
    } catch (error) {
      failure = error;
    }
    if (controller === this.#controller) this.#failed(failure);
  }

  #take(frame) {
    if (frame.type === "watching") {
      this.#failures = 0;
      this.#say(`Watching ${frame.topic}.`);
      return;
    }
    // The daemon sends an error as the last line of a stream.
    if (frame.type === "error") throw new ApiError(400, frame.code, frame.message);
    this.#frames.add(frame, Date.now());
    this.#drawSoon();
  }

  #failed(error) {
    // With a wrong topic or key another attempt would fail as well.
    if (error.isAboutRequest || error.status === 401) {
      this.#stop("Nothing is watched.");
      setLinked(this.#error, error.message);
      return;
    }
    const { state, delay } = judge(error, this.#failures++);
    if (state === "broken") throw error;
    this.#say(`Not watching: ${error.message} It is tried again.`);
    this.#timer = setTimeout(() => this.#begin(), delay);
  }

  #end() {
    clearTimeout(this.#timer);
    this.#controller?.abort();
    this.#controller = null;
  }

  #stop(text) {
    this.#end();
    this.#failures = 0;
    const button = at("inspector-stop");
    if (button === document.activeElement) this.#form.elements.topic.focus();
    button.disabled = true;
    this.#say(text);
  }

  #say(text) {
    setText(at("frames-state"), text);
  }

  #pause(paused) {
    if (paused === this.#frames.isPaused) return;
    if (paused) this.#frames.pause();
    else this.#frames.resume();
    const button = at("frames-pause");
    setAttribute(button, "aria-pressed", `${paused}`);
    this.#draw();
  }

  // Drawing

  /** Draw with the next picture of the screen, however many frames come. */
  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { shown, passed, skipped, waiting, isPaused } = this.#frames;
    const parts = [`${format.plural(passed, "frame")} passed`];
    if (skipped) parts.push(`${format.count(skipped)} came too fast to be shown`);
    if (isPaused) parts.push(waiting ? `${waiting} waiting` : "paused");
    if (this.#frames.isFiltered) parts.push(`${shown.length} shown`);
    setText(at("frames-count"), parts.join(", "));
    const numbers = new Set(shown.map(({ number }) => number));
    keepFocus(this.#list, at("frames-title"), () => {
      for (const [number, item] of this.#items) {
        if (numbers.has(number)) continue;
        item.remove();
        this.#items.delete(number);
      }
    });
    for (const frame of shown) {
      if (this.#items.has(frame.number)) continue;
      const item = frameItem(frame);
      this.#items.set(frame.number, item);
      this.#list.prepend(item);
    }
  }

  // Publishing

  async #send() {
    const { topic, event, data, persist } = fieldsOf(this.#publish);
    const [problem, said] = [at("publish-error"), at("publish-state")];
    setText(said, "");
    let value;
    try {
      value = JSON.parse(data);
    } catch (error) {
      setText(problem, `This is not JSON: ${error.message}`);
      this.#publish.elements.data.setAttribute("aria-invalid", "true");
      this.#publish.elements.data.focus();
      return;
    }
    this.#publish.elements.data.removeAttribute("aria-invalid");
    setText(problem, "");
    try {
      await this.#source.publish(topic, event, value, persist !== undefined);
      setText(said, `Published to ${topic} at ${format.clock(Date.now())}.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setLinked(problem, `Not published: ${error.message}`);
    }
  }
}

/** A frame in the list: one line, and all of its data when the user opens it. */
function frameItem({ at: when, name, kind, user, pos, text }) {
  const summary = make(
    "summary",
    {},
    make("time", {}, format.clock(when)),
    make("span", { class: "badge", "data-kind": kind }, name),
    make("span", { class: "who" }, user),
    make("code", {}, text.slice(0, 200)),
  );
  const details = make("details", {}, summary);
  const fill = () => {
    if (details.open && details.childElementCount === 1) {
      details.append(make("pre", {}, pretty(text)), make("p", { class: "note" }, position(pos)));
    }
  };
  details.addEventListener("toggle", fill);
  return make("li", {}, details);
}

function position(pos) {
  return pos ? `Position ${pos}` : "This frame has no position: it is not part of the topic’s log.";
}

/** JSON over several lines. Text that was cut off, which is not JSON, stays as it is. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
