/** Answers from links, in words: those that this visitor got, and other people's. */

/** @import { Entry } from "../types" */
/** @import { Host } from "./types" */

import { readAnswer } from "./outgoing.mjs";

/** The key of the tokens of answers that this tab got, which survive a reload. */
const KEY = "loupe-own-answers";
const MAX_OWN = 50;

const OWN =
  "You got this answer earlier, but its photo isn’t kept any more. Take the photo again to see " +
  "why, or to correct it.";

/** Note that this visitor got the answer of a token; null has none. */
export function noteOwn(token) {
  const others = ownTokens().filter((other) => other !== token);
  if (token === null) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify([token, ...others].slice(0, MAX_OWN)));
  } catch {
    // A browser may keep nothing.
  }
}

/** @returns {string[]} */
function ownTokens() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

/**
 * Return the answer of a link, as an entry without a photo; or why there is none.
 *
 * @param {string} token
 * @param {Host} host
 * @returns {Promise<{entry: Entry | null, message?: string}>}
 */
export async function readLink(token, { server }) {
  if (!server) return { entry: null };
  try {
    const { answer, earlier, note } = await readAnswer(server, token);
    const notes = [earlier, ownTokens().includes(token) ? OWN : note];
    const about = {
      id: token,
      photo: null,
      source: /** @type {const} */ ("link"),
      alt: "",
      time: 0,
    };
    return { entry: { ...about, answer, note: notes.filter(Boolean).join(" ") } };
  } catch (error) {
    return { entry: null, message: error.message };
  }
}
