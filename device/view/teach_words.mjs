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

const NUMBERS = "No One Two Three Four Five Six Seven Eight Nine".split(" ");

export const labelled = (label) => ({ label });
export const percent = (share) => `${Math.round(share * 100)}%`;
/** Return "1 photo" or "12 photos". */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/**
 * Return the result of a training by names and ids, for the screens.
 *
 * @param {import("../types").Taught} result
 * @param {string[]} labels in the order of the result
 * @param {string[]} ids of photos, as they were trained
 */
export function outcomeOf({ accuracy, groups, promise }, labels, ids) {
  const byLabel = (counts) => new Map(labels.map((label, at) => [label, counts[at]]));
  const sum = (counts) => counts.reduce((total, one) => total + one, 0);
  const outcome = { groups: byLabel(groups), promise };
  if (!accuracy) return { ...outcome, figures: null, confusions: [], standingOut: new Map() };
  const { confusions, counted, folds, interval, right, standing_out } = accuracy;
  const [rightOf, countedOf] = [byLabel(right), byLabel(counted)];
  return {
    ...outcome,
    figures: { right: sum(right), counted: sum(counted), interval, folds },
    confusions: confusions.map(({ label, called, groups: wrong, photos }) => ({
      label: labels[label],
      called: labels[called],
      groups: wrong,
      of: countedOf.get(labels[label]),
      isFrequent: rightOf.get(labels[label]) < RIGHT * countedOf.get(labels[label]),
      photos: photos.map((at) => ids[at]),
    })),
    standingOut: new Map(standing_out.map(({ photo, called }) => [ids[photo], labels[called]])),
  };
}

/** Return "10 of 12 recordings were right (83%; 95% CI 55–95%), each tested without itself". */
export function figuresOf({ counted, folds, interval, right }) {
  const [low, high] = interval.map((share) => Math.round(share * 100));
  const share = `${percent(right / counted)}; 95% CI ${low}–${high}%`;
  return `${right} of ${count(counted, "recording")} were right (${share}), ${howOf(folds)}`;
}

export const howOf = (folds) =>
  folds === "five" ? "tested in five parts" : "each tested without itself";

/**
 * Return the answer to "Is it enough?": a word, the sentence after it, and perhaps a confusion with
 * what to do next.
 *
 * @param {{labels: string[], photos: {label: string}[]}} project
 * @param {ReturnType<typeof outcomeOf> | null} outcome
 * @param {boolean} hasCamera
 */
export function isEnough({ labels, photos }, outcome, hasCamera) {
  const numberOf = (label) => photos.filter((photo) => photo.label === label).length;
  const fewest = labels.reduce((least, label) =>
    numberOf(label) < numberOf(least) ? label : least,
  );
  const few = numberOf(fewest);
  if (!few) return { word: "Not yet.", line: firstPhotos(fewest, hasCamera) };
  if (labels.length < 2) {
    return { word: "Not yet.", line: ["Two labels make a model: add a second thing."] };
  }
  if (!outcome) return { word: "", line: ["Training on this device…"] };
  const once = labels.filter((label) => outcome.groups.get(label) === 1);
  if (once.length) return { word: "Can’t know yet.", line: onlyOnce(once, labels, hasCamera) };
  if (few < WORTH_A_TRY) {
    const missing = WORTH_A_TRY - few;
    const start = `${NUMBERS[missing]} more photo${missing === 1 ? "" : "s"} of `;
    const line = [start, labelled(fewest), " and it is worth a try. Record it in another light."];
    return { word: few < ALMOST ? "Not yet." : "Almost.", line };
  }
  const line = outcome.figures ? [`In testing, ${figuresOf(outcome.figures)}.`] : [];
  const confusion = outcome.confusions.find(({ isFrequent }) => isFrequent);
  if (!confusion) return { word: "Yes.", line };
  const { called, groups, label, of } = confusion;
  const which = [` ${groups} of ${count(of, "recording")} of `, labelled(label)];
  return {
    word: "Almost.",
    line: [
      ...line,
      ...which,
      groups === 1 ? " was called " : " were called ",
      labelled(called),
      ".",
    ],
    confusion,
    next: [
      "Next: record ",
      labelled(label),
      " once more, where you recorded ",
      labelled(called),
      ".",
    ],
  };
}

const firstPhotos = (label, hasCamera) =>
  hasCamera
    ? ["Hold the button and film ", labelled(label), " from all sides for a few seconds."]
    : ["Choose photos of ", labelled(label), ", or drop them here: from all sides, in any light."];

function onlyOnce(once, labels, hasCamera) {
  const again = hasCamera ? "once more, somewhere else." : "in another place as well.";
  if (once.length === labels.length) {
    const each = "Each label was recorded once, so nothing is left to test on.";
    return [`${each} Record each ${again}`];
  }
  const [label] = once;
  return [labelled(label), ` was recorded once, so it can’t be tested. Record it ${again}`];
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
