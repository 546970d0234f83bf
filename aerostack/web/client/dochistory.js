/**
 * Reads the whole history of a document.
 */

import { RealtimeError } from "./errors.js";

const ATTEMPTS = 50;

/**
 * Read all kept messages, oldest first.
 *
 * A snapshot deletes the messages that it replaces, also those of pages that were not read yet. So the
 * newest page is read again behind the last one: if a snapshot came meanwhile, the reading begins
 * again. Only one page can show that none came: between two pages a later snapshot could delete the
 * message that shows it.
 *
 * @param {(before?: number) => Promise<any[]>} readPage  Reads a page, newest first.
 * @returns {Promise<any[]>}
 */
export async function readHistory(readPage) {
  let messages = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const isFirst = messages.length === 0;
    const { found, isOnePage } = await readNewer(readPage, messages[0]?.created_at ?? -Infinity);
    if (!isFirst && found.some(({ replaces }) => replaces !== undefined)) {
      messages = [];
      continue;
    }
    messages = [...found, ...messages];
    if (messages.length === 0 || (!isFirst && isOnePage)) return messages.reverse();
  }
  throw new RealtimeError("unreachable", "The history of the document changes too fast to be read.");
}

/** Read the messages after a time, newest first. */
async function readNewer(readPage, since) {
  const found = [];
  let isOnePage = true;
  let before;
  for (;;) {
    const page = await readPage(before);
    for (const message of page) {
      if (message.created_at <= since) return { found, isOnePage };
      found.push(message);
    }
    if (page.length === 0) return { found, isOnePage };
    isOnePage = false;
    before = page.at(-1).created_at;
  }
}
