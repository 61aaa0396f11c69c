/**
 * The state of a visit (what one visitor sees in one document), and the pure reducer that changes
 * it: an event leads to the next state and a list of effects. No DOM, no network, no timers.
 *
 * Each photo that is taken or opened, and each change of model, mode or engine that identifies it
 * again, begins a step. Events of an earlier step are dropped.
 */

/** Most answers by other models that are kept with a photo, so that Back finds them. */
const MAX_EARLIER = 4;

/** State of the open photo, reset when a step begins. */
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

/** Replaces the permission of a photo that is identified again without a press. */
export const NO_PRESS = "no press";

/** Return the state of a new visit. @type {(chosen: Chosen, isOpening: boolean) => VisitState} */
export function createState(chosen, isOpening) {
  const nothing = { entry: null, answered: null, press: null, step: 0, isConnected: true };
  return { ...NOTHING_SAID, ...nothing, phase: isOpening ? "opening" : "empty", chosen };
}

/**
 * Return the state after an event, and the effects to run, in order.
 *
 * @type {(state: VisitState, event: VisitEvent) => [VisitState, Effect[]]}
 */
export function reduce(state, event) {
  if ("step" in event && event.step !== state.step) return [state, []];
  return HANDLERS[event.type](state, event);
}

/** Return the open answer's token; null without one, as for models made on this device. */
export const tokenOf = ({ entry }) => entry?.answer?.token ?? null;

/** @typedef {[VisitState, Effect[]]} Next */

/** @type {Record<string, (state: VisitState, event: any) => Next>} */
const HANDLERS = {
  /** The visitor chose a model: identify the open photo with it, and close a link. */
  chosen(state, { model }) {
    const chosen = { ...state.chosen, model };
    if (state.entry?.photo) return againBy({ ...state, chosen });
    // A capture continues; the visitor is asked if its permission doesn't cover this model.
    const next = { ...state, chosen };
    return [state.entry ? begin(next, null) : next, [{ type: "write" }]];
  },

  /** The model was trained with the open photo, or again without it: identify it again. */
  learned(state, { isLearned, model }) {
    const chosen = { ...state.chosen, model };
    const [next, effects] = again({ ...state, chosen, entry: { ...state.entry, isLearned } });
    return [next, effects.slice(-1)];
  },

  ran(state, { run, model }) {
    const next = { ...state, chosen: { ...state.chosen, run, model } };
    if (!state.entry?.photo) return [next, [{ type: "write" }]];
    return againBy(next);
  },

  /** The page chose another engine of the server. */
  engaged(state, { engine, isUsed }) {
    const next = { ...state, chosen: { ...state.chosen, engine } };
    return isUsed && state.entry?.photo ? again(next) : [next, []];
  },

  /** The visitor pressed for a photo; only the last press counts. */
  pressed(state, { permission, isTaking = false }) {
    const answered = !state.entry || state.entry.answer ? state.entry : state.answered;
    const next = state.phase === "taking" ? begin(state, null) : state;
    if (!isTaking) return [{ ...next, answered, press: permission }, []];
    return [{ ...next, answered, press: permission, phase: "taking", message: "" }, []];
  },

  /** The photo of an earlier press arrived; with `isPress`, it is a press itself. */
  captured(before, { permission, isPress, photo, source, alt, id, answer: live = null }) {
    const [state] = isPress ? HANDLERS.pressed(before, { permission }) : [before];
    if (permission !== state.press) return [state, []];
    // Another model may have been chosen since the press.
    const answer = live?.prediction.model === state.chosen.model ? live : null;
    const entry = { id, photo, source, alt, answer };
    const next = begin(state, entry, "waiting");
    /** @type {Effect[]} */
    const effects = [{ type: "mark" }];
    if (answer) return settle(next, answer, effects);
    const identify = /** @type {const} */ ({ type: "identify", step: next.step, until: null });
    return [next, [...effects, { ...identify, permission }]];
  },

  /** A press yielded no photo. */
  missed(state, { permission = null, message }) {
    // Without a press, only the message changes.
    if (permission === null) return [{ ...state, message }, []];
    if (permission !== state.press) return [state, []];
    const next = state.phase === "taking" ? begin(state, null) : state;
    return [{ ...next, press: null, message }, []];
  },

  answered: (state, { answer }) => settle(state, answer),

  /** Identifying the open photo failed; with `waiting`, it waits for a connection. */
  failed(state, { error, sent, waiting = null }) {
    const next = { ...state, error, sent, waiting, place: null };
    return [{ ...next, phase: "failed" }, waiting ? [{ type: "keep", entry: state.entry }] : []];
  },

  /** Identify the open photo again, with its own permission or as a new press. */
  retried: (state, { permission = null, until = null }) => again(state, permission, until),

  /** The visitor declined to send the photo: return to what was shown before. */
  declined(state, { wantsOther }) {
    const isSame = state.entry?.photo === state.answered?.photo;
    /** @type {Effect[]} */
    const choose = wantsOther && state.entry?.source === "file" ? [{ type: "choose" }] : [];
    const next = isSame ? open(state, state.answered) : begin(state, null);
    return [next, [{ type: "write" }, ...choose]];
  },

  /** A recent photo was opened; `model` is the one to choose with it. */
  opened: (state, { entry, model }) => [open(state, entry, model), [{ type: "write" }]],

  closed: (state) => [begin(state, null), [{ type: "write" }]],

  /** The address changed its answer, model or mode: by Back, Forward, a link, or at the start. */
  navigated(state, { token, photo, isOpen, model, run }) {
    const chosen = { ...state.chosen, model, run };
    // A photo without an answer stays, unless the address names another model or mode.
    const isChosen = model === state.chosen.model && run === state.chosen.run;
    const isHere = token || photo || !state.entry || isChosen;
    if (isOpen && isHere && state.phase !== "opening") return [{ ...state, chosen }, []];
    const next = { ...begin({ ...state, chosen }, null), answered: null };
    if (!token && !photo) return [next, []];
    return [{ ...next, phase: "opening" }, [{ type: "find", step: next.step, token, photo }]];
  },

  /** The search for the address's photo or answer ended; `entry` is null if it found none. */
  found(state, { entry, model, token, message = "" }) {
    if (!entry?.answer && entry?.photo) return again({ ...state, entry }, NO_PRESS);
    const next = entry ? open(state, entry, model) : begin(state, null);
    // The photo's answer may belong to a later history entry: name it in this one as well.
    return [{ ...next, message }, entry && !token ? [{ type: "settle" }] : []];
  },

  /** The page is shown again: identify a photo without an answer again, sending nothing unasked. */
  returned: (state) => (state.isLeft ? again(state, NO_PRESS) : [state, []]),

  /** The waiting photo is no longer sent without another press. */
  expired: (state) => [{ ...state, waiting: null }, []],

  /** The page is left: nothing more is taken or sent. */
  left(state) {
    const phase = state.entry?.answer ? "answered" : state.entry ? "waiting" : "empty";
    return [{ ...begin(state, state.entry, phase), isLeft: phase === "waiting" }, []];
  },

  connected: (state, { isConnected }) => [{ ...state, isConnected }, []],

  /** The answer takes a while: keep the photo, in case of a reload. */
  slowed: (state) => [{ ...state, isSlow: true }, [{ type: "keep", entry: state.entry }]],

  /** The photo waits for the device; or some of it is sent, which a reload is not to forget. */
  placed(state, { place }) {
    if (place === null || place === "device") return [{ ...state, place }, []];
    const entry = { ...state.entry, wasSent: true };
    return [{ ...state, entry, place }, [{ type: "keep", entry }]];
  },

  /** What belongs to an answer has changed, perhaps of one that is closed by now. */
  corrected: ({ answered, entry, ...state }, { change }) => [
    { ...state, answered: change(answered), entry: change(entry) },
    [],
  ],

  /** Show what “Why?” says, or a message beside the answer. */
  explained: (state, { type, step, ...changes }) => [{ ...state, ...changes }, []],
};

function begin(state, entry, phase = "empty") {
  return { ...state, ...NOTHING_SAID, step: state.step + 1, phase, entry, press: null };
}

function open(state, entry, model = entry.answer.prediction.model) {
  return begin({ ...state, chosen: { ...state.chosen, model } }, entry, "answered");
}

/**
 * Give the open photo its answer. @type {(state: any, answer: Answer, before?: Effect[]) => Next}
 */
function settle(state, answer, before = []) {
  const entry = { ...state.entry, answer };
  const next = { ...state, entry, phase: /** @type {const} */ ("answered"), place: null };
  return [next, [...before, { type: "keep", entry }, { type: "settle" }]];
}

/**
 * Identify the open photo again, with the current choices.
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
  // Add a history entry only if there was an answer to come back to.
  if (!entry.answer) return [next, [identify]];
  return [next, [{ type: "mark" }, identify]];
}

/**
 * Identify the open photo again after a choice, which the address names immediately.
 *
 * @type {(state: VisitState) => Next}
 */
function againBy(state) {
  const [next, effects] = again(state);
  return [next, [{ type: "write" }, ...effects.filter(({ type }) => type !== "mark")]];
}
