/**
 * "Is it enough?" in words: what the training says of the photos, and which one to take next.
 *
 * Phrases are those of `phrasing.mjs`. Labels are what the visitor typed.
 */

import { FILE, MAX_BYTES, MAX_PHOTOS } from "../teach/store.mjs";

/** Photos of a label from which it is worth a try. */
export const WORTH_A_TRY = 10;
const ALMOST = 5;
const MB = 2 ** 20;
/** Share of a label's recordings that must be right for "Yes." */
const RIGHT = 2 / 3;
/** Share of a limit from which the room that is left is shown. */
const NEAR = 0.9;

const NUMBERS = "No One Two Three Four Five Six Seven Eight Nine".split(" ");

export const ENOUGH = "Is it enough? ";

export const percent = (share) => `${Math.round(share * 100)}%`;
/** Return "1 photo" or "12 photos". */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export const photosOf = ({ photos }, label) => photos.filter((photo) => photo.label === label);

/** Return whether photos came one by one as files: then they are called photos, not recordings. */
const areFiles = (photos) =>
  photos.every(({ recording }) => recording.startsWith(FILE)) &&
  new Set(photos.map(({ recording }) => recording)).size === photos.length;

/** Return how many recordings of a label there are, as far as it is known. */
export const recordingsOf = ({ outcome, project }, label) =>
  outcome?.groups.get(label) ??
  new Set(photosOf(project, label).map(({ recording }) => recording)).size;

/** Return what a label has: "12 photos", or "3 recordings" and so perhaps near copies. */
export function amountOf(view, label) {
  const photos = photosOf(view.project, label);
  if (areFiles(photos)) return count(photos.length, "photo");
  return count(recordingsOf(view, label), "recording");
}

/** Return what a test counts; photos that are near copies count once. */
function unitOf({ photos }, { groups }) {
  if (!areFiles(photos)) return "recording";
  const sum = [...groups.values()].reduce((total, one) => total + one, 0);
  return sum === photos.length ? "photo" : "different photo";
}

/**
 * Return the result of a training by names and ids, for the screens; `labels` and `ids` are in the
 * order of the result. @param {Taught} result
 */
export function outcomeOf({ accuracy, groups }, labels, ids) {
  const byLabel = new Map(labels.map((label, at) => [label, groups[at]]));
  const nothing = { figures: null, confusions: [], standingOut: new Map() };
  if (!accuracy) return { groups: byLabel, ...nothing };
  const { confusions, counted, folds, interval, right, standing_out } = accuracy;
  const sum = (counts) => counts.reduce((total, one) => total + one, 0);
  const figures = { right: sum(right), counted: sum(counted), interval, folds };
  return {
    groups: byLabel,
    // A label that was never tested says nothing of the model.
    figures: Math.min(...counted) ? figures : null,
    confusions: confusions.map(({ label, called, groups: wrong, photos }) => ({
      ...{ label: labels[label], called: labels[called], groups: wrong, of: counted[label] },
      isFrequent: right[label] < RIGHT * counted[label],
      photos: photos.map((at) => ids[at]),
    })),
    standingOut: new Map(standing_out.map(({ photo, called }) => [ids[photo], labels[called]])),
  };
}

/** Return "10 of 12 recordings, each left out in turn". */
export function testedOf(project, outcome) {
  const { counted, folds, right } = outcome.figures;
  const how = folds === "five" ? "a fifth left out at a time" : "each left out in turn";
  return `${right} of ${count(counted, unitOf(project, outcome))}, ${how}`;
}

/**
 * Return the answer to "Is it enough?": a word, the sentence after it, and perhaps a confusion with
 * what to do next.
 *
 * @returns {{word: string, line: any[], confusion?: any}}
 */
export function isEnough({ labels, photos }, outcome, hasCamera, isReady = true) {
  const numbers = labels.map((label) => photosOf({ photos }, label).length);
  const few = Math.min(...numbers);
  const fewest = { label: labels[numbers.indexOf(few)] };
  const first = hasCamera ? "Hold the button and film " : "Choose photos of ";
  const [label, ...others] = labels.filter((one) => outcome?.groups.get(one) === 1);
  const [record, place] = hasCamera
    ? ["Record ", " once more, somewhere else."]
    : ["Add a photo of ", " in another place."];
  const more = `${NUMBERS[WORTH_A_TRY - few]} more photo${few === WORTH_A_TRY - 1 ? "" : "s"} of `;
  const light = [more, fewest, ", in different light."];
  /** @type {[boolean, string, any[]][]} the first that applies is said */
  const steps = [
    [few === 0, "Not yet.", [first, fewest, " from all sides."]],
    [labels.length < 2, "Not yet.", ["Two labels make a model: add a second thing."]],
    [!outcome, "", [isReady ? "Training on this device…" : "Training waits for the model."]],
    [others.length + 1 === labels.length, "Can’t know yet.", [`${record}each${place}`]],
    [Boolean(label), "Can’t know yet.", [record, { label }, place]],
    [few < WORTH_A_TRY, few < ALMOST ? "Not yet." : "Almost.", light],
  ];
  const step = steps.find(([applies]) => applies);
  if (step) return { word: step[1], line: step[2] };
  const { confusions, figures } = outcome;
  const confusion = confusions.find(({ isFrequent }) => isFrequent);
  const unit = unitOf({ photos }, outcome);
  const line = figures ? [phraseFigures(figures, unit)] : [];
  return confusion ? withConfusion(line, confusion, unit) : { word: "Yes.", line };
}

function withConfusion(line, confusion, unit) {
  const [label, called] = [{ label: confusion.label }, { label: confusion.called }];
  const { groups, of } = confusion;
  const were = groups === 1 ? " was called " : " were called ";
  line.push(` ${groups} of ${count(of, unit)} of `, label, were, called, ".");
  const next =
    unit === "recording"
      ? ["Record ", label, " once more, where you recorded ", called, "."]
      : ["Add photos of ", label, " in the place of ", called, "."];
  return { word: "Almost.", line, confusion: { ...confusion, next, unit } };
}

/** Return "83% right in testing (10 of 12 recordings; 95% CI 55–95%)." */
function phraseFigures({ counted, interval, right }, unit) {
  const [low, high] = interval.map((share) => Math.round(share * 100));
  const of = `${right} of ${count(counted, unit)}`;
  return `${percent(right / counted)} right in testing (${of}; 95% CI ${low}–${high}%).`;
}

/**
 * Return what is said below the labels: title, a word after it and a line, and perhaps a confusion
 * that is shown with its photos. @returns {any}
 */
export function sayOf(view) {
  const { adding, confirmed, device, hasCamera, isDesk, isPersisted } = view;
  const { outcome, project, recording } = view;
  if (device.reason) return { title: ["Teaching isn’t possible here."], line: [device.reason] };
  if (recording) {
    const taken = `: ${count(recording.count, "photo")}`;
    const line = [`Turn it, come closer. ${endOf(recording)}.`];
    return { title: ["Recording ", { label: recording.label }, taken], line };
  }
  if (adding) return { title: [`Adding photos: ${adding.done} of ${adding.total}`], line: [] };
  const said = isEnough(project, outcome, hasCamera, device.isReady);
  const isConfirmed = said.confusion?.photos.every((id) => confirmed.has(id));
  const confusion = isConfirmed ? null : said.confusion;
  const room = roomLeft(project, isPersisted);
  if (room) return { title: [room.title], line: [room.line], isRoom: true, confusion };
  if (isDesk || !confusion) return { title: [ENOUGH], ...said, confusion };
  const { called, groups, label, next, of, unit } = confusion;
  const title = [{ label }, " called ", { label: called }, ": "];
  return { title, word: `${groups} of ${count(of, unit)}`, line: next, confusion };
}

export const endOf = ({ isToggled }) => (isToggled ? "Press to stop" : "Let go to stop");

/** Return how much room is left where that is little, or null. */
export function roomLeft({ bytes, photos }, isPersisted) {
  const { length } = photos;
  if (length < NEAR * MAX_PHOTOS && bytes < NEAR * MAX_BYTES) return null;
  const byBytes = Math.floor((MAX_BYTES - bytes) / (bytes / length));
  const left = Math.max(0, Math.min(MAX_PHOTOS - length, byBytes));
  const most = length >= MAX_PHOTOS ? `${MAX_PHOTOS} photos` : `${MAX_BYTES / MB} MB`;
  const full = `${most} are the most. Remove some to add more.`;
  const title = left ? `Room for ${left} more photo${left === 1 ? "" : "s"}` : full;
  return { title, line: `${usedOf({ bytes, photos })}. ${mayVanish(isPersisted)}`.trim() };
}

/** Return "460 of 500 photos, 52 of 60 MB". */
export const usedOf = ({ bytes, photos: { length } }) =>
  `${length} of ${MAX_PHOTOS} photos, ${Math.ceil(bytes / MB)} of ${MAX_BYTES / MB} MB`;

/** Return a warning where the browser deletes what pages keep: WebKit does, after seven days. */
export function mayVanish(isPersisted) {
  return !isPersisted && navigator.vendor === "Apple Computer, Inc."
    ? "This browser may delete them after seven days without a visit."
    : "";
}

/** Return a name for files and commands: "my-shoes". */
export function fileName({ title }) {
  const plain = title
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  return plain.replace(/^-+|-+$/g, "").slice(0, 40) || "my-model";
}
