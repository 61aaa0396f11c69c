/** The screens of the viewfinder, by its state. Drawing again changes only what differs. */

import { cornersOf, createBars, createLines, createRecents, createRuler } from "./answer_view.mjs";
import { createSamples, createWaysOn, percentOf, toneOf, createLanding } from "./answer_view.mjs";
import { PHOTO_CODES, phraseError } from "../engine/errors.mjs";
import { CAN_RETRY, REASONS } from "./camera.mjs";
import { createIcon, h } from "./elements.mjs";
import { phraseNodes, toText } from "./phrasing.mjs";
import { sentOf } from "../visit/outgoing.mjs";
import { engineOf, fetchingOf, goneOf, lastLineOf, sourceOf } from "./disclosure.mjs";

const UNREADABLE = "This photo couldn’t be read. Choose it again.";
const WAITS =
  "The server doesn’t answer. Your photo waits here. It is sent once: when the server is back, " +
  "or when you press Try again.";
const SENT =
  "The server got some or all of your photo, but doesn’t answer. The photo waits here. It is sent " +
  "again once: when the server is back, or when you press Try again.";
const WAITS_HERE = "No connection. Your photo waits here for the model.";
const CAPTIONS = { camera: "Original photo", frame: "Video frame" };

/** @type {ViewfinderOptions} */
export const DEFAULTS = {
  theme: null,
  actions: {},
  above: "0px",
  header: null,
  rows: 5,
  teach: "teach.html",
  about: null,
  notice: "",
  words: {
    headline: "Point your phone at something",
    desk: "Hold something up, or drop a photo",
    line: "",
  },
};

/**
 * Draw a visit; return the part of a photo that the last line names, or null.
 *
 * @type {(parts: any, visit: Visit, options: ViewfinderOptions, picture: LivePicture, handlers:
 *   any) => Part | null}
 */
export function render(parts, visit, options, picture, handlers) {
  const state = stateOf(visit, options);
  const { entry, isOpening } = state;
  const { camera } = picture;
  const hasCamera = camera.state !== "closed" || (camera.isWanted && !camera.problem);
  const shown = entry?.said ? "landing" : "answer";
  const screen = entry ? shown : isOpening || !hasCamera ? "empty" : "camera";
  parts.root.dataset.screen = screen;
  parts.root.toggleAttribute("data-header", Boolean(parseFloat(options.above)));
  parts.root.style.setProperty("--above", options.above);
  parts.root.toggleAttribute("data-opening", isOpening);
  parts.picture.toggleAttribute("data-empty", Boolean(entry && !entry.photo));
  const { model, models } = state.options;
  parts.bar.hidden = models.length < 2;
  redraw(parts.models, models, () => createOptions(models));
  parts.models.value = model;
  parts.forget.hidden = !models.some((one) => one.isMadeHere && one.name === model);
  drawHint(parts, state, picture.access, screen);
  drawPicture(parts, state, picture, screen);
  drawWords(parts, state, picture, screen, handlers);
  drawControls(parts, state, picture, screen);
  drawActions(parts, state);
  drawSpoken(parts, state, picture);
  const line = lastLineOf(state, picture);
  drawWhere(parts, state, line.text);
  drawStrips(parts, state, screen, handlers);
  drawLanding(parts, state, handlers);
  return isOpening ? null : line.part;
}

function stateOf(visit, options) {
  const { identifier, permissions, recent, state } = visit;
  const { model, run } = identifier;
  const models = visit.models.all;
  const chosen = models.find(({ name }) => name === model);
  const knows = chosen ? ["This model knows ", ...chosen.knows, "."] : "";
  const line = (!chosen?.isMadeHere && options.words.line) || knows;
  const what = { ...options.words, line, language: chosen?.language };
  const { device, next, reason, server } = identifier.state;
  const hasFailed = device === "failed" && (server !== "ready" || next === "device");
  return {
    ...state,
    options: { ...options, identifier, model, models, run, what, samples: chosen?.samples ?? [] },
    notice: visit.notice || options.notice,
    // Without a model, nothing answers.
    failure: hasFailed && !state.entry?.answer ? reason : "",
    recents: recent,
    isTeachable: visit.models.labelsOf(state.entry?.answer?.prediction.model) !== null,
    isTaking: state.phase === "taking",
    isOpening: state.phase === "opening",
    isFileAllowed: permissions.isFileAllowed,
    placeOf: (name) => visit.placeOf(name),
    next: state.place === "file" ? "server" : (state.place ?? identifier.state.next),
    canChooseRun: Boolean(options.onWhere) || visit.models.isInBothPlaces(model),
    isOnPhone: visit.models.isInBothPlaces(model) && run !== "server",
  };
}

/** Return the choices of the menu: the app's models, then those that were made here. */
function createOptions(models) {
  const create = ({ name, title }) => new Option(title, name);
  const own = models.filter((one) => one.isMadeHere).map(create);
  const group = h("optgroup", { label: "Made here" }, ...own);
  return [...models.filter((one) => !one.isMadeHere).map(create), ...(own.length ? [group] : [])];
}

/** Replace children only if their data has changed, so that focus and scroll position stay. */
function redraw(element, key, create) {
  const text = JSON.stringify(key);
  if (element.dataset.key === text) return;
  element.dataset.key = text;
  const focused = element.getRootNode().activeElement?.dataset.entry;
  element.replaceChildren(...create());
  if (focused) element.querySelector(`[data-entry="${focused}"]`)?.focus({ preventScroll: true });
}

function redrawPhrase(element, phrase, language = "en") {
  redraw(element, [phrase, language], () => phraseNodes(phrase, language));
}

/**
 * In the empty square: the app's name, or why there is no live picture or no photo. A model that
 * failed is more important than a camera: without it, no photo is answered.
 */
function drawHint({ hint, tryCamera }, { entry, failure }, access, screen) {
  const note = entry?.note;
  const reason = note ?? (failure ? null : REASONS[access]);
  hint.hidden = screen !== "empty" && !note;
  hint.toggleAttribute("data-reason", Boolean(reason));
  redraw(hint, reason ?? access, () => {
    if (note) return [createIcon("share"), h("p", note)];
    if (!reason) return [createIcon("lens"), "Loupe"];
    const retry = CAN_RETRY.has(access) ? [tryCamera] : [];
    return [createIcon("camera-off"), h("p", reason), ...retry];
  });
}

function drawPicture({ square, photo }, { entry, options, isTaking }, picture, screen) {
  const answer = entry ? entry.answer : picture.shown;
  square.dataset.tone = answer ? cornersOf(answer) : "";
  square.toggleAttribute("data-taking", isTaking);
  if (screen !== "answer") return photo.show(null);
  // The answer's own, because another model may be chosen by now.
  const recipe = entry.answer?.recipe ?? options.identifier.recipe;
  return photo.show(entry.photo, { alt: entry.alt, caption: CAPTIONS[entry.source], recipe });
}

function drawWords(parts, state, picture, screen, { onModel }) {
  const { entry, error, explanation, failure, message, notice, options } = state;
  const { what } = options;
  const answer = entry ? entry.answer : picture.shown;
  const isLive = !entry && answer !== null;
  const tone = answer ? toneOf(answer) : "";
  parts.words.dataset.tone = tone;
  parts.words.toggleAttribute("data-live", isLive);
  const isDesk = parts.root.dataset.layout === "desk";
  const greeting = isDesk ? what.desk : what.headline;
  const headline = answer ? answer.headline : entry ? [] : [greeting];
  redrawPhrase(parts.headline, headline, answer?.language);
  parts.headline.hidden = !headline.length;
  const isNamed = isLive && tone !== "unknown";
  const percent = answer ? percentOf(answer) || (isNamed ? answer.percents[0] : "") : "";
  parts.percent.textContent = percent;
  parts.percent.hidden = !parts.percent.textContent;
  parts.note.textContent = entry?.note ?? "";
  parts.words.toggleAttribute("data-explained", Boolean(explanation));
  redrawPhrase(parts.explanation, explanation ?? [], answer?.language);
  const isSent = state.waiting?.permission.part !== "nothing";
  const waits = state.waiting && (isSent ? (state.sent ? SENT : WAITS) : WAITS_HERE);
  const said = waits ?? (error && phraseError(error, UNREADABLE));
  const alert = said || message || failure;
  parts.alert.textContent = alert;
  redrawPhrase(parts.notice, entry ? [] : [notice].flat());
  // An unreadable photo has to be replaced; after any other error, trying again may help.
  const isOfPhoto = Boolean(error) && (!error.code || PHOTO_CODES.has(error.code));
  parts.retry.hidden = isOfPhoto || !(failure || error);
  parts.other.hidden = !isOfPhoto;
  parts.root.toggleAttribute("data-failed", Boolean((entry && error) || failure));
  redrawPhrase(parts.status, [statusOf(state, picture, isLive)].flat(), what.language);
  const { model, rows, teach } = options;
  const models = options.models.map((other) => ({ ...other, place: state.placeOf(other.name) }));
  const key = answer && [isLive, answer.prediction, model, models, rows];
  redraw(parts.details, key, () => {
    if (!answer) return [];
    const lines = createLines(answer);
    if (isLive) return createRuler(answer);
    if (tone === "unknown") return [...lines, createWaysOn(models, model, onModel, teach)];
    return [...lines, ...createBars(answer, rows)];
  });
}

/** Return the sentence below the headline: the current step, or what the model knows. */
function statusOf({ entry, error, failure, isSlow, next, options }, { camera, isLive }, isShown) {
  const { identifier, what } = options;
  const { device } = identifier.state;
  if (entry) {
    if (entry.answer || error || !isSlow) return "";
    // Until something is sent, the visitor may still be asked.
    if (next === "server") return sentOf(entry.photo) ? "Asking the server…" : "Looking…";
    const isFetching = device === "loading";
    return isFetching ? `${fetchingOf(identifier.state)} Your photo is next.` : "Looking…";
  }
  if (camera.isMuted) return "The camera is paused by this device.";
  if (isShown || failure) return "";
  if (!isLive) return what.line;
  if (device === "loading") return `${fetchingOf(identifier.state)} Then live begins.`;
  return device === "ready" ? "" : "Live runs on this device only, and here the server answers.";
}

function drawControls(parts, { entry, isTaking, options }, { access, camera, isLive }, screen) {
  const isEmpty = screen === "empty";
  const name = entry ? "Back to the camera" : isLive ? "Keep this answer" : "Take a photo";
  parts.shutter.ariaLabel = name;
  parts.shutter.hidden = isEmpty;
  parts.shutter.toggleAttribute("data-busy", isTaking);
  redraw(parts.shutter, Boolean(entry), () => (entry ? [createIcon("camera")] : []));
  parts.live.ariaPressed = String(isLive);
  parts.still.ariaPressed = String(!isLive);
  const canWatch = options.identifier.state.device !== "off";
  parts.mode.hidden = screen !== "camera" || !canWatch;
  const isOpen = screen === "camera" && camera.state === "open";
  parts.flip.hidden = !isOpen || !camera.canFlip;
  parts.torch.hidden = !isOpen || !camera.hasTorch;
  parts.torch.ariaPressed = String(camera.isTorchOn);
  parts.zoom.hidden = !isOpen || camera.zooms.length < 2;
  const factor = `${Number(camera.zoom.toFixed(1))}×`;
  parts.zoom.textContent = factor;
  parts.zoom.ariaLabel = `Zoom, now ${factor}`;

  const isFirst = !REASONS[access] || access === "idle";
  parts.choose.lastChild.textContent = screen === "answer" ? "Choose" : "Choose a photo";
  parts.openCamera.hidden = !isEmpty || !isFirst;
  // Without a camera, it would choose a file as well.
  const hasNone = access === "missing";
  parts.cameraApp.hidden = !isEmpty || isFirst || hasNone;
  parts.choose.classList.toggle("vf-main", isEmpty && hasNone);
}

function drawActions(parts, { entry, isExplaining, isTeachable, options }) {
  const { actions } = options;
  const isAnswered = Boolean(entry?.answer);
  for (const name of ["right", "correct", "share", "lookUp"]) {
    parts[name].hidden = !isAnswered || !actions[name];
  }
  // The server doesn't know a model that was made here; its project may be here.
  const isOwn = isAnswered && entry.answer.token === null;
  if (isOwn) parts.correct.hidden = !isTeachable;
  parts.correct.hidden ||= !entry.photo;
  const isEither = isAnswered && entry.answer.certainty === "few";
  parts.correct.lastChild.textContent = isEither ? "Which?" : "Wrong?";
  parts.right.hidden = parts.correct.hidden || isEither || isOwn;
  parts.share.hidden ||= isOwn;
  parts.lookUp.hidden ||= entry.answer.certainty === "unknown";
  parts.acts.hidden = parts.correct.hidden && parts.share.hidden;
  parts.why.hidden = !isAnswered || !entry.photo;
  parts.why.ariaPressed = String(parts.photo.hasSpotlight);
  parts.why.toggleAttribute("data-busy", isExplaining);
  parts.whole.hidden = !entry?.photo;
  parts.whole.ariaPressed = String(parts.photo.isWhole);
}

/** Have screen readers say what is on the screen now. Live answers are spoken less often. */
function drawSpoken(parts, { entry, explanation, isExplaining, isSlow }, picture) {
  if (!entry && picture.shown) return;
  const { alert, headline, hint, spoken, status } = parts;
  const { answer } = entry ?? {};
  const sentences = answer
    ? [answer.headline, ...answer.lines, explanation ?? []].map(toText)
    : [headline, ...(hint.hasAttribute("data-reason") && !entry ? [hint] : []), status].map(
        ({ textContent }) => textContent,
      );
  // Screen readers announce an alert without help.
  const text = alert.textContent && !answer ? "" : sentences.filter(Boolean).join(". ");
  // A change of numbers alone, as in progress, isn't announced.
  const isSame = (words) => words.replace(/\d+/g, "") === text.replace(/\d+/g, "");
  if ((isSlow || isExplaining) && isSame(spoken.textContent)) return;
  if (spoken.textContent !== text) spoken.textContent = text;
}

/** The last line: where the model runs and what is sent, or where it ran and what was. */
function drawWhere({ where }, state, text) {
  const { entry, error, options, sent } = state;
  const identifier = { ...options.identifier.state, next: state.next };
  const answer = entry?.answer;
  const isGone = goneOf(identifier) !== null;
  const wasSent = !isGone && !answer && error && sent;
  const place = wasSent ? "server" : (!isGone && answer?.where) || identifier.next;
  // The app gets nothing of an answer by a model that was made here.
  const hasApp = identifier.server !== "none" && answer?.token !== null;
  const source =
    answer && sourceOf(answer, hasApp, entry.source === "link", options.identifier.api);
  const canOpen = state.canChooseRun;
  where.disabled = !canOpen;
  redraw(where, [text, place, canOpen, isGone || answer], () => [
    ...(text ? [createIcon(place === "device" ? "phone" : "server")] : []),
    answer && !isGone
      ? h("span", source, h("span.vf-how", `, ${engineOf(answer)}`))
      : h("span", text),
    ...(canOpen && !answer ? [createIcon("down")] : []),
  ]);
}

function drawLanding({ landing }, { entry, isOnPhone, message, options }, { onTry }) {
  const about = { isOnPhone, models: options.about, rows: options.rows };
  redraw(landing, entry?.said ? [entry.id, about, message] : null, () =>
    entry?.said ? createLanding(entry, about, message, onTry) : [],
  );
}

function drawStrips({ samples, visit }, { entry, recents, options }, screen, handlers) {
  // Without samples their place stays, in which the camera's picture opens.
  samples.hidden = screen !== "empty";
  redraw(samples, options.samples, () => createSamples(options.samples, handlers.onSample));
  const answered = recents.filter(({ answer }) => answer);
  // A kept photo without an answer isn't listed, but can be cleared once it is closed.
  visit.hidden = !answered.length && recents.every(({ id }) => id === entry?.id);
  redraw(
    visit,
    answered.map(({ id, answer }) => [id, answer.token ?? answer.prediction]),
    () => createRecents(answered, handlers.onEntry, handlers.onClear),
  );
  for (const button of visit.querySelectorAll(".vf-recent")) {
    button.setAttribute("aria-current", String(button.dataset.entry === entry?.id));
  }
}
