/**
 * The visit: what one visitor sees in one document. A pure reducer is its only writer: an event
 * comes in, the next state and what is to be done come out. No DOM, no network, no waiting.
 *
 * Each photo that is taken or opened, and each change of what answers it, begins a step. An event
 * that names an earlier step is late, and dropped.
 */

/** @import { Answer, Entry } from "../types" */
/** @import { Permission } from "../view/types" */
/** @import { Chosen, Effect, VisitEvent, VisitState } from "./types" */

/** Most answers by other models that are kept with a photo, so that Back finds them. */
const MAX_EARLIER = 4;

/** What is said of the open photo, and is gone with it. */
const NOTHING_SAID = {
  error: null,
  sent: null,
  waiting: null,
  message: "",
  isSlow: false,
  explanation: null,
  isExplaining: false,
  place: null,
  isLeft: false,
};

/** In place of a permission: for a photo that nobody pressed for now. */
export const NO_PRESS = "no press";

/**
 * Return the state of a new visit.
 *
 * @param {Chosen} chosen
 * @param {boolean} isOpening whether the address names an answer
 * @returns {VisitState}
 */
export function createState(chosen, isOpening) {
  const nothing = { entry: null, answered: null, press: null, step: 0, isConnected: true };
  return { ...NOTHING_SAID, ...nothing, phase: isOpening ? "opening" : "empty", chosen };
}

/**
 * Return the state after an event, and what is to be done, in order.
 *
 * @param {VisitState} state
 * @param {VisitEvent} event
 * @returns {[VisitState, Effect[]]}
 */
export function reduce(state, event) {
  if ("step" in event && event.step !== state.step) return [state, []];
  return HANDLERS[event.type](state, event);
}

/** The token of the open answer; null for none, and for one by a model that was made here. */
export const tokenOf = ({ entry }) => entry?.answer?.token ?? null;

/** @typedef {[VisitState, Effect[]]} Next */

/** @type {Record<string, (state: VisitState, event: any) => Next>} */
const HANDLERS = {
  /** The visitor chose a model; an open photo is identified by it, a link is closed. */
  chosen(state, { model }) {
    const chosen = { ...state.chosen, model };
    if (state.entry?.photo) return againBy({ ...state, chosen });
    // A photo that is being taken goes on: it is asked for, if it may not go to this model.
    const next = { ...state, chosen };
    return [state.entry ? begin(next, null) : next, [{ type: "write" }]];
  },

  /** The visitor chose where photos are answered. */
  ran(state, { run, model }) {
    const next = { ...state, chosen: { ...state.chosen, run, model } };
    if (!state.entry?.photo) return [next, [{ type: "write" }]];
    return againBy(next);
  },

  /** The page has another engine for the server's answers. */
  engaged(state, { engine, isUsed }) {
    const next = { ...state, chosen: { ...state.chosen, engine } };
    return isUsed && state.entry?.photo ? again(next) : [next, []];
  },

  /** A press from which a photo comes; only the last one's counts. */
  pressed(state, { permission, isTaking = false }) {
    const answered = !state.entry || state.entry.answer ? state.entry : state.answered;
    const next = state.phase === "taking" ? begin(state, null) : state;
    if (!isTaking) return [{ ...next, answered, press: permission }, []];
    return [{ ...next, answered, press: permission, phase: "taking", message: "" }, []];
  },

  /** The photo of an earlier press, or with `isPress` of this one. */
  captured(before, { permission, isPress, photo, source, alt, id, time, answer: live = null }) {
    const [state] = isPress ? HANDLERS.pressed(before, { permission }) : [before];
    if (permission !== state.press) return [state, []];
    // Another model may have been chosen since the press.
    const answer = live?.prediction.model === state.chosen.model ? live : null;
    const entry = { id, photo, source, alt, time, answer };
    const next = begin(state, entry, "waiting");
    /** @type {Effect[]} */
    const effects = [{ type: "mark" }];
    if (answer) return settle(next, answer, effects);
    const identify = /** @type {const} */ ({ type: "identify", step: next.step, until: null });
    return [next, [...effects, { ...identify, permission }]];
  },

  /** A press gave no photo. */
  missed(state, { permission = null, message }) {
    // Without a press there was nothing to take.
    if (permission === null) return [{ ...state, message }, []];
    if (permission !== state.press) return [state, []];
    const next = state.phase === "taking" ? begin(state, null) : state;
    return [{ ...next, press: null, message }, []];
  },

  answered: (state, { answer }) => settle(state, answer),

  /** The open photo has no answer; with `waiting`, it waits for the server. */
  failed(state, { error, sent, waiting = null }) {
    const phase = /** @type {const} */ ("failed");
    return [{ ...state, phase, error, sent, waiting, place: null }, []];
  },

  /** The open photo is identified once more: by its own permission, or by a new press. */
  retried: (state, { permission = null, until = null }) => again(state, permission, until),

  /** The visitor would rather send nothing: back to what was there before. */
  declined(state, { wantsOther }) {
    const isSame = state.entry?.photo === state.answered?.photo;
    /** @type {Effect[]} */
    const choose = wantsOther && state.entry?.source === "file" ? [{ type: "choose" }] : [];
    const next = isSame ? open(state, state.answered) : begin(state, null);
    return [next, [{ type: "write" }, ...choose]];
  },

  /** A recent photo was opened; `model` is the one to choose with it. */
  opened: (state, { entry, model }) => [open(state, entry, model), [{ type: "write" }]],

  /** Back to the camera. */
  closed: (state) => [begin(state, null), [{ type: "write" }]],

  /** The address names another answer, model or mode: by Back, Forward, a link, or at the start. */
  navigated(state, { token, photo, isOpen, model, run }) {
    const chosen = { ...state.chosen, model, run };
    // A photo that has no answer yet stays, unless another model is named.
    const isChosen = model === state.chosen.model && run === state.chosen.run;
    const isHere = token || photo || !state.entry || isChosen;
    if (isOpen && isHere && state.phase !== "opening") return [{ ...state, chosen }, []];
    const next = { ...begin({ ...state, chosen }, null), answered: null };
    if (!token && !photo) return [next, []];
    return [{ ...next, phase: "opening" }, [{ type: "find", step: next.step, token, photo }]];
  },

  /** What the address names: a recent photo, or an answer from a link; null for neither. */
  found(state, { entry, model, message = "" }) {
    if (!entry?.answer && entry?.photo) return again({ ...state, entry }, NO_PRESS);
    return [{ ...(entry ? open(state, entry, model) : begin(state, null)), message }, []];
  },

  /** The page is back; what has no answer is identified again, as far as that needs no press. */
  returned: (state) => (state.isLeft ? again(state, NO_PRESS) : [state, []]),

  /** A photo that waits is no longer sent without another press. */
  expired: (state) => [{ ...state, waiting: null }, []],

  /** The page is left: nothing more is taken or sent. */
  left(state) {
    const phase = state.entry?.answer ? "answered" : state.entry ? "waiting" : "empty";
    return [{ ...begin(state, state.entry, phase), isLeft: phase === "waiting" }, []];
  },

  connected: (state, { isConnected }) => [{ ...state, isConnected }, []],

  /** The answer takes a while: a reload may come before it. */
  slowed: (state) => [{ ...state, isSlow: true }, [{ type: "keep", entry: state.entry }]],

  /** Where an open photo is answered, once the visitor was asked. */
  placed: (state, { place }) => [{ ...state, place }, []],

  /** What “Why?” says, or a sentence beside the answer. */
  explained: (state, { type, step, ...changes }) => [{ ...state, ...changes }, []],
};

/** Begin a step with a photo, or with none. */
function begin(state, entry, phase = "empty") {
  return { ...state, ...NOTHING_SAID, step: state.step + 1, phase, entry, press: null };
}

/** Show an entry with its answer, and choose its model. */
function open(state, entry, model = entry.answer.prediction.model) {
  return begin({ ...state, chosen: { ...state.chosen, model } }, entry, "answered");
}

/**
 * The open photo has an answer.
 *
 * @type {(state: VisitState, answer: Answer, before?: Effect[]) => Next}
 */
function settle(state, answer, before = []) {
  const entry = { ...state.entry, answer };
  const next = { ...state, entry, phase: /** @type {const} */ ("answered"), place: null };
  return [next, [...before, { type: "keep", entry }, { type: "settle" }]];
}

/**
 * Identify the open photo again, by what is chosen now.
 *
 * @type {(state: VisitState, permission?: Permission | typeof NO_PRESS | null,
 *   until?: number | null) => Next}
 */
function again(state, permission = null, until = null) {
  const { entry } = state;
  const answered = entry.answer ? entry : state.answered;
  const earlier = [entry.answer ?? [], entry.earlier ?? []].flat().slice(0, MAX_EARLIER);
  const next = begin({ ...state, answered }, { ...entry, answer: null, earlier }, "waiting");
  const identify = /** @type {Effect} */ ({ type: "identify", step: next.step, permission, until });
  // A new place in the history, if there was an answer to come back to.
  if (!entry.answer) return [next, [identify]];
  return [next, [{ type: "mark" }, identify]];
}

/**
 * The same by another model or mode, which the address names at once.
 *
 * @type {(state: VisitState) => Next}
 */
function againBy(state) {
  const [next, effects] = again(state);
  return [next, [{ type: "write" }, ...effects.filter(({ type }) => type !== "mark")]];
}
