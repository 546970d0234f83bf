/**
 * Names of topics, which the fields for a topic suggest while the user types.
 */

import { ApiError } from "./api.js";
import { at, make } from "../shared/dom.js";

// How many names are suggested at most, and how long the user has to pause first, in milliseconds.
const MOST = 20;
const PAUSE = 200;

/**
 * The name of a topic as a user types it: without the project, and a table without `table/`.
 *
 * @param {string} topic  The whole name.
 * @param {string} project
 */
export function typed(topic, project) {
  const ending = `/${project}`;
  const name = topic.endsWith(ending) ? topic.slice(0, -ending.length) : topic;
  const table = /^table\/([^/]+)$/.exec(name);
  return table ? table[1] : name;
}

/**
 * Let every field of the page with the list `topic-names` suggest topics.
 *
 * @param {() => import("./api.js").Api | null} apiOf  Gives the daemon; `null` while nobody is signed in.
 */
export function suggestTopics(apiOf) {
  let timer;
  let newest = 0;

  async function suggest(text) {
    const api = apiOf();
    if (!api) return;
    const mine = ++newest;
    const ask = (prefix) => api.get("topics", { prefix, limit: MOST });
    let pages;
    try {
      pages = await Promise.all(text ? [ask(text), ask(`table/${text}`)] : [ask("")]);
    } catch (error) {
      // The page says elsewhere that the daemon does not answer; the old names stay.
      if (error instanceof ApiError) return;
      throw error;
    }
    if (mine !== newest) return;
    const names = pages.flatMap(({ topics }) => topics.map(({ topic }) => typed(topic, api.project)));
    const options = [...new Set(names)].slice(0, MOST).map((value) => make("option", { value }));
    at("topic-names").replaceChildren(...options);
  }

  const soon = ({ target }) => {
    if (target.getAttribute?.("list") !== "topic-names") return;
    clearTimeout(timer);
    timer = setTimeout(() => suggest(target.value.trim()), PAUSE);
  };
  document.addEventListener("input", soon);
  document.addEventListener("focusin", soon);
}
