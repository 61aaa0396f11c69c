/**
 * "Is it enough?" in words: what the training says of the photos, and which one to take next.
 *
 * Phrases are those of `phrasing.mjs`. Labels are what the visitor typed.
 */

import { MAX_BYTES, MAX_PHOTOS } from "../teach/store.mjs";

/** Photos of a label from which it is worth a try. */
export const WORTH_A_TRY = 10;
const ALMOST = 5;
const MB = 2 ** 20;
/** Share of a label's recordings that must be right for "Yes." */
const RIGHT = 2 / 3;
/** Share of a limit from which the room that is left is shown. */
const NEAR = 0.9;
/** Begins the recordings of photos that came as files. */
export const FILE = "file-";

const CHANGES = "Turn it, come closer. A photo is taken only when the picture changes.";
const NUMBERS = "No One Two Three Four Five Six Seven Eight Nine".split(" ");

export const percent = (share) => `${Math.round(share * 100)}%`;
/** Return "1 photo" or "12 photos". */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

export const photosOf = ({ photos }, label) => photos.filter((photo) => photo.label === label);

/** Return how many recordings of a label there are, as far as it is known. */
export const recordingsOf = ({ outcome, project }, label) =>
  outcome?.groups.get(label) ??
  new Set(photosOf(project, label).map(({ recording }) => recording)).size;

/**
 * Return the result of a training by names and ids, for the screens.
 *
 * @param {import("../types").Taught} result
 * @param {string[]} labels in the order of the result
 * @param {string[]} ids of photos, as they were trained
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

export const howOf = (folds) =>
  folds === "five" ? "tested in five parts" : "each tested without itself";

/**
 * Return the answer to "Is it enough?": a word, the sentence after it, and perhaps a confusion with
 * what to do next.
 *
 * @returns {{word: string, line: any[], confusion?: any}}
 * @param {{labels: string[], photos: {label: string}[]}} project
 * @param {ReturnType<typeof outcomeOf> | null} outcome
 * @param {boolean} hasCamera
 * @param {boolean} isReady whether the base is loaded
 */
export function isEnough({ labels, photos }, outcome, hasCamera, isReady = true) {
  const numbers = labels.map((label) => photosOf({ photos }, label).length);
  const few = Math.min(...numbers);
  const fewest = { label: labels[numbers.indexOf(few)] };
  const first = hasCamera
    ? ["Hold the button and film ", fewest, " from all sides for a few seconds."]
    : ["Choose photos of ", fewest, ", or drop them here: from all sides."];
  const [label, ...others] = labels.filter((one) => outcome?.groups.get(one) === 1);
  const again = hasCamera ? "once more, somewhere else." : "in another place as well.";
  const each = "Each label was recorded once, so nothing is left to test on.";
  const one = `” was recorded once, so it can’t be tested. Record it ${again}`;
  const more = `${NUMBERS[WORTH_A_TRY - few]} more photo${few === WORTH_A_TRY - 1 ? "" : "s"} of `;
  const light = " and it is worth a try. Record it in another light.";
  /** @type {[boolean, string, any[]][]} the first that applies is said */
  const steps = [
    [few === 0, "Not yet.", first],
    [labels.length < 2, "Not yet.", ["Two labels make a model: add a second thing."]],
    [!outcome, "", [isReady ? "Training on this device…" : "Training waits for the model."]],
    [others.length + 1 === labels.length, "Can’t know yet.", [`${each} Record each ${again}`]],
    [Boolean(label), "Can’t know yet.", ["“", { label }, one]],
    [few < WORTH_A_TRY, few < ALMOST ? "Not yet." : "Almost.", [more, fewest, light]],
  ];
  const step = steps.find(([applies]) => applies);
  if (step) return { word: step[1], line: step[2] };
  const { confusions, figures } = outcome;
  const confusion = confusions.find(({ isFrequent }) => isFrequent);
  const line = figures ? [`In testing, ${phraseFigures(figures)}.`] : [];
  return confusion ? withConfusion(line, confusion) : { word: "Yes.", line };
}

function withConfusion(line, confusion) {
  const [label, called] = [{ label: confusion.label }, { label: confusion.called }];
  const { groups, of } = confusion;
  const were = groups === 1 ? " was called " : " were called ";
  line.push(` ${groups} of ${count(of, "recording")} of `, label, were, called, ".");
  const next = ["Next: record ", label, " once more, where you recorded ", called, "."];
  return { word: "Almost.", line, confusion: { ...confusion, next } };
}

/** Return "10 of 12 recordings were right (83%; 95% CI 55–95%), each tested without itself". */
function phraseFigures({ counted, folds, interval, right }) {
  const [low, high] = interval.map((share) => Math.round(share * 100));
  const share = `${percent(right / counted)}; 95% CI ${low}–${high}%`;
  return `${right} of ${count(counted, "recording")} were right (${share}), ${howOf(folds)}`;
}

/**
 * Return what is said below the labels: title, a word after it and a line, and perhaps a confusion
 * that is shown with its photos.
 *
 * @returns {any}
 */
export function sayOf(view) {
  const { adding, confirmed, device, hasCamera, isDesk, isPersisted } = view;
  const { outcome, project, recording } = view;
  if (device.reason) return { title: ["Teaching isn’t possible here."], line: [device.reason] };
  if (recording) {
    const taken = `: ${count(recording.count, "photo")}`;
    return { title: ["Recording ", { label: recording.label }, taken], line: [CHANGES] };
  }
  if (adding) return { title: [`Adding photos: ${adding.done} of ${adding.total}`], line: [] };
  const said = isEnough(project, outcome, hasCamera, device.isReady);
  const isConfirmed = said.confusion?.photos.every((id) => confirmed.has(id));
  const confusion = isConfirmed ? null : said.confusion;
  const room = roomLeft(project, isPersisted);
  if (room) return { title: [room.title], line: [room.line], isRoom: true, confusion };
  if (isDesk || !confusion) return { title: ["Is it enough? "], ...said, confusion };
  const { called, groups, label, of } = confusion;
  const title = [{ label }, " called ", { label: called }, ": "];
  return { title, word: `${groups} of ${count(of, "recording")}`, line: [], confusion };
}

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
