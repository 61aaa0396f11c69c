/** Answers in share links: the visitor's own, and other people's. */

/** @import { Entry } from "../types" */
/** @import { Host } from "./types" */

import { readAnswer } from "./outgoing.mjs";

/** Session storage key of the tokens of this tab's own answers, which survive a reload. */
const KEY = "loupe-own-answers";
const MAX_OWN = 50;

const OWN =
  "You got this answer earlier, but its photo isn’t kept any more. Take the photo again to see " +
  "why, or to correct it.";

/** Remember the token of an answer as the visitor's own; null is ignored. */
export function noteOwn(token) {
  const others = ownTokens().filter((other) => other !== token);
  if (token === null) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify([token, ...others].slice(0, MAX_OWN)));
  } catch {
    // Storage may be blocked or full.
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
 * Return the answer in a share link as an entry without a photo, or a message why there is none.
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
