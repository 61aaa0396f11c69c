/**
 * The visit's effects on photos: identify a photo, find it by its address, and keep it.
 */

/** @import { Visit } from "./open_visit.mjs" */

import { tellSent } from "./outgoing.mjs";
import { Declined } from "./permissions.mjs";
import { noteOwn, readLink } from "./shared_answer.mjs";
import { NO_PRESS } from "./visit.mjs";

/** Time without an answer after which the screen says what is happening, in milliseconds. */
const WAITING_MS = 300;

/** Longest time for which a waiting photo is sent without another press, in milliseconds. */
const RESEND_MS = 120_000;

/**
 * Identify the open photo; without a new press, on this device if it has the model's files.
 *
 * @param {Visit} visit
 * @param {Extract<import("./types").Effect, {type: "identify"}>} effect
 */
export async function identify(visit, { step, permission, until }) {
  const { identifier, models, permissions, signal, state } = visit;
  const { answered, chosen, entry } = state;
  const { photo } = entry;
  const isPressed = permission !== null && permission !== NO_PRESS;
  const isHere = !isPressed && models.placeOf(identifier.model, chosen.run) === "device";
  const timer = setTimeout(() => visit.send({ type: "slowed", step }), WAITING_MS);
  const now = isPressed ? permission : visit.press(photo);
  const nothing = /** @type {const} */ ({ part: "nothing", isFileAllowed: false });
  const press = permission === NO_PRESS ? Object.freeze({ ...now, ...nothing }) : now;
  try {
    const given = {
      ...{ top: visit.host.top, signal, previous: answered },
      place: isHere ? /** @type {const} */ ("device") : null,
      onPlace: (place) => {
        if (place !== visit.state.place) visit.send({ type: "placed", step, place });
      },
    };
    const answer = await permissions.identify(photo, press, identifier, given);
    visit.send({ type: "answered", step, answer });
  } catch (error) {
    if (signal.aborted) return;
    // A change of graph or engine has replaced this identifier and closed it.
    const isReplaced = visit.identifier !== identifier && error.code === "engine-unavailable";
    if (isReplaced) return visit.send({ type: "retried", permission: press, until });
    const { wantsOther } = error;
    if (error instanceof Declined) return visit.send({ type: "declined", step, wantsOther });
    const end = press.part === "nothing" ? Infinity : (until ?? Date.now() + RESEND_MS);
    const kept = { permission: Object.freeze({ ...press, photo }), until: end };
    const waiting = error.code === "unreachable" ? kept : null;
    visit.send({ type: "failed", step, error, sent: tellSent(photo), waiting });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Find what the address names: a photo kept in this browser, or the answer in a link.
 *
 * @param {Visit} visit
 * @param {Extract<import("./types").Effect, {type: "find"}>} effect
 */
export async function find(visit, { step, token, photo }) {
  const kept = await visit.recents.find({ token, photo });
  // Without a token, the photo is shown with its answer by the model that the address names.
  const entry = token || !kept?.answer ? kept : answeredBy(kept, visit.identifier.model);
  const found = entry || !token ? { entry } : await readLink(token, visit.host);
  visit.send({ type: "found", step, ...found, model: visit.models.toShow(found.entry) });
}

/** Return an entry with its answer by a model, or with none if that model gave none. */
function answeredBy(entry, model) {
  const answers = [entry.answer, ...(entry.earlier ?? [])];
  const answer = answers.find(({ prediction }) => prediction.model === model) ?? null;
  return { ...entry, answer, earlier: answers.filter((one) => one !== answer) };
}

/**
 * Keep a photo in this browser, with its answer once it has one.
 *
 * @param {Visit} visit
 * @param {Extract<import("./types").Effect, {type: "keep"}>} effect
 */
export async function keep({ recents }, { entry }) {
  if (entry.answer?.certainty === "unknown") navigator.vibrate?.([10, 60, 10]);
  if (entry.answer) noteOwn(entry.answer.token);
  await recents.add(entry);
}
