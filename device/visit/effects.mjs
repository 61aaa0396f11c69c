/** The visit's effects on photos: identify a photo, find it by its address, and keep it. */

import { NotPermitted, readAnswer, recallSent, sentOf } from "./outgoing.mjs";
import { Declined } from "./permissions.mjs";
import { NO_PRESS } from "./visit.mjs";

/** Time without an answer after which the screen says what is happening, in milliseconds. */
const WAITING_MS = 300;

/** Longest time for which a waiting photo is sent without another press, in milliseconds. */
const RESEND_MS = 120_000;

/** Session storage key of the tokens of this tab's own answers, which survive a reload. */
const OWN_KEY = "loupe-own-answers";
const MAX_OWN = 50;

const LEARNED = "It has learned from this photo: try another one";
const OWN =
  "You got this answer earlier, but its photo isn’t kept any more. Take the photo again to see " +
  "why, or to correct it.";

/**
 * Identify the open photo; without a new press, on this device if it has the model's files.
 *
 * @type {(visit: Visit, effect: Extract<Effect, {type: "identify"}>) => Promise<void>}
 */
export async function identify(visit, { step, permission, until }) {
  const { identifier, models, signal, state } = visit;
  const { photo } = state.entry;
  const isPressed = permission !== null && permission !== NO_PRESS;
  const isHere = !isPressed && models.placeOf(identifier.model, state.chosen.run) === "device";
  const timer = setTimeout(() => visit.send({ type: "slowed", step }), WAITING_MS);
  const now = isPressed ? permission : visit.press(photo);
  const nothing = /** @type {const} */ ({ part: "nothing", isFileAllowed: false });
  const press = permission === NO_PRESS ? Object.freeze({ ...now, ...nothing }) : now;
  const onPlace = (place) => {
    if (place !== visit.state.place) visit.send({ type: "placed", step, place });
  };
  try {
    const answer = await identifyPermitted(visit, press, isHere ? "device" : null, onPlace);
    if (state.entry.isLearned && models.labelsOf(identifier.model)) answer.lines = [[LEARNED]];
    visit.send({ type: "answered", step, answer });
  } catch (error) {
    if (signal.aborted) return;
    // A change of graph or engine has replaced this identifier and closed it.
    const isReplaced = visit.identifier !== identifier && error.code === "engine-unavailable";
    if (isReplaced) return visit.send({ type: "retried", permission: press, until });
    const { wantsOther } = error;
    if (error instanceof Declined) return visit.send({ type: "declined", step, wantsOther });
    // The visitor may have agreed to send a file that this device can't read.
    const isFile = visit.permissions.isFileAllowed && (error.cause || visit.state.place === "file");
    const part = isFile ? "file" : press.part;
    const end = part === "nothing" ? Infinity : (until ?? Date.now() + RESEND_MS);
    const kept = { permission: Object.freeze({ ...press, part, photo }), until: end };
    const waiting = error.code === "unreachable" ? kept : null;
    visit.send({ type: "failed", step, error, sent: sentOf(photo), waiting });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Identify the open photo; ask first where more would leave than its press permits. `onPlace` is
 * called with the place that was chosen, before anything is sent, and once sending begins.
 *
 * @type {(visit: Visit, press: Permission, place: "device" | null, onPlace: (place: Place |
 *   null) => void) => Promise<Answer>}
 * @throws {Declined} or as `Identifier.identify`
 */
async function identifyPermitted(visit, press, place, onPlace) {
  const { host, identifier, permissions, signal } = visit;
  const { answered, entry } = visit.state;
  const { photo } = entry;
  const askPlace = () => permissions.askPlace(photo, identifier, answered, signal);
  let permission = Object.freeze({ ...press, photo });
  await identifier.decided(signal);
  const { device, next } = identifier.state;
  // The model would be fetched for this photo.
  const isToFetch = photo === answered?.photo && device === "off" && next === "device";
  if (isToFetch) place ??= await askPlace();
  for (;;) {
    onPlace(place);
    try {
      const given = { top: host.top, place, signal, permission, onPlace };
      return await identifier.identify(photo, given);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NotPermitted)) throw error;
      if (error.cause) {
        // One that was closed can read nothing any more; the new one is asked.
        if (visit.identifier !== identifier) throw error.cause;
        await permissions.askFile(photo, error.cause, identifier, signal);
        place = null;
      } else if (identifier.state.next === "server") {
        // By now the device may be ready.
        place = await askPlace();
      }
      permission = permissions.press(identifier, true, photo);
    }
  }
}

/** Find what the address names: a photo kept in this browser, or the answer in a link. */
export async function find(visit, { step, token, photo }) {
  const kept = await visit.recents.find({ token, photo });
  if (kept) recallSent(kept);
  // Without a token, the photo is shown with its answer by the model that the address names.
  const entry = token || !kept?.answer ? kept : answeredBy(kept, visit.identifier.model);
  const found = entry || !token ? { entry } : await readLink(token, visit.host);
  visit.send({ type: "found", step, token, ...found, model: visit.models.toShow(found.entry) });
}

/** Return an entry with its answer by a model, or with none if that model gave none. */
function answeredBy(entry, model) {
  const answers = [entry.answer, ...(entry.earlier ?? [])];
  const answer = answers.find(({ prediction }) => prediction.model === model) ?? null;
  return { ...entry, answer, earlier: answers.filter((one) => one !== answer) };
}

/** Keep a photo in this browser, with its answer once it has one. */
export async function keep({ recents }, { entry }) {
  if (entry.answer?.certainty === "unknown") navigator.vibrate?.([10, 60, 10]);
  if (entry.answer?.token) noteOwn(entry.answer.token);
  await recents.add(entry);
}

/** Remember the token of an answer as the visitor's own. */
function noteOwn(token) {
  const others = ownTokens().filter((other) => other !== token);
  try {
    sessionStorage.setItem(OWN_KEY, JSON.stringify([token, ...others].slice(0, MAX_OWN)));
  } catch {
    // Storage may be blocked or full.
  }
}

/** @returns {string[]} */
function ownTokens() {
  try {
    return JSON.parse(sessionStorage.getItem(OWN_KEY) ?? "[]");
  } catch {
    return [];
  }
}

/**
 * Return the answer in a share link as an entry without a photo, or a message why there is none.
 */
async function readLink(token, { server }) {
  if (!server) return { entry: null };
  try {
    const { answer, earlier, note, said } = await readAnswer(server, token);
    const isOwn = ownTokens().includes(token);
    const notes = [earlier, isOwn ? OWN : note];
    const about = { id: token, photo: null, source: /** @type {const} */ ("link"), alt: "" };
    const shared = { note: notes.filter(Boolean).join(" "), said: isOwn ? undefined : said };
    return { entry: { ...about, answer, ...shared } };
  } catch (error) {
    return { entry: null, message: error.message };
  }
}
