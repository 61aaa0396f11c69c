/**
 * `NAME.loupe`: a taught model in one file, without its base and without any photo. It comes from
 * strangers: everything is checked before anything is used.
 */

/** @import { LoupeManifest, TaughtModel } from "../types" */

import { lengthOf } from "./logistic_regression.mjs";
import { readHead, writeHead } from "./safetensors.mjs";
import { sha256 } from "./sha256.mjs";
import { Flaw, openZip, parseJson, writeZip } from "./zip.mjs";

const MANIFEST = "manifest.json";
const HEAD = "head.safetensors";
const OPTIONS = {
  ...{ bytes: 2 * 2 ** 20, files: 9, begin: "This .loupe file can't be used" },
  end: "Ask for the file again, or save it again where the model was made.",
};

export const MAX_LABELS = 20;
export const MAX_CHARACTERS = 60;
const MAX_LENGTH_ERROR = 1e-3;

/** Characters that control text or turn it around, as `INVISIBLE` in `model/text.py`. */
const INVISIBLE =
  // eslint-disable-next-line no-control-regex
  /[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/**
 * Return what is wrong with a label or a title, in words; empty if nothing is.
 *
 * @param {unknown} text
 */
export function findTextFlaw(text) {
  if (typeof text !== "string" || text.trim() !== text || !text) {
    return "it needs a name without spaces around it";
  }
  const isLong = Array.from(text).length > MAX_CHARACTERS;
  if (isLong) return `it is longer than ${MAX_CHARACTERS} characters`;
  return INVISIBLE.test(text) ? "it has invisible characters, such as marks of direction" : "";
}

/**
 * Tell whether something is a list of labels.
 *
 * @param {unknown} labels
 */
export const areLabels = (labels) =>
  Array.isArray(labels) &&
  labels.length <= MAX_LABELS &&
  new Set(labels).size === labels.length &&
  !labels.some(findTextFlaw);

/**
 * Return the bytes of a `.loupe` file.
 *
 * @param {TaughtModel} taught with golden outputs
 */
export function writeLoupe({ manifest, head }) {
  const packed = writeHead(head);
  const described = { ...manifest, head: { sha256: sha256(packed), bytes: packed.length } };
  return writeZip([
    [MANIFEST, new TextEncoder().encode(JSON.stringify(described, null, 1))],
    [HEAD, packed],
  ]);
}

/**
 * Return the model in a `.loupe` file after checking all of it.
 *
 * @param {Blob} file
 * @returns {Promise<TaughtModel>}
 * @throws {LoupeError} "export-refused"
 */
export function readLoupe(file) {
  return openZip(file, OPTIONS, (files) => {
    const [json, packed] = [files.get(MANIFEST), files.get(HEAD)];
    const isPair = files.size === 2 && json && packed;
    if (!isPair) throw new Flaw(`its zip must have two files, ${MANIFEST} and ${HEAD}`);
    const manifest = checkManifest(parseJson(json, MANIFEST));
    if (sha256(packed) !== manifest.head.sha256 || packed.length !== manifest.head.bytes) {
      throw new Flaw(`${HEAD} doesn't match its hash in ${MANIFEST}`);
    }
    const { labels, base } = manifest;
    const head = readHead(packed, labels.length, base.size);
    for (let start = 0; start < head.means.length; start += base.size) {
      const length = lengthOf(head.means.subarray(start, start + base.size));
      if (Math.abs(length - 1) > MAX_LENGTH_ERROR) {
        throw new Flaw(`the means in ${HEAD} aren't of length one`);
      }
    }
    return { manifest, head };
  });
}

/**
 * @param {any} manifest
 * @returns {LoupeManifest}
 */
function checkManifest(manifest) {
  const isNewer = manifest?.format > 1;
  if (isNewer) throw new Flaw("its format is of a newer Loupe, so reload this page first");
  for (const [name, fits] of Object.entries(FIELDS)) {
    if (!fits(manifest?.[name], manifest)) throw new Flaw(`${MANIFEST} isn't valid: ${name}`);
  }
  if (!hasFields(manifest, FIELDS)) throw new Flaw(`${MANIFEST} has fields that it shouldn't have`);
  return manifest;
}

/** @type {(low: number, high: number) => Check} */
const between = (low, high) => (value) =>
  typeof value === "number" && low <= value && value <= high;
/** @type {(low: number, high: number) => Check} */
const whole = (low, high) => (value) => Number.isInteger(value) && between(low, high)(value);
/** @type {(pattern: RegExp) => Check} */
const like = (pattern) => (value) => typeof value === "string" && pattern.test(value);
/** @type {(fits: Check, length?: number) => Check} */
const listOf = (fits, length) => (value, manifest) =>
  Array.isArray(value) &&
  value.length === (length ?? manifest.labels.length) &&
  value.every((one) => fits(one, manifest));
/** @type {(fields: Record<string, Check>) => Check} */
const object = (fields) => (value, manifest) =>
  hasFields(value, fields) &&
  Object.entries(fields).every(([name, fits]) => fits(value[name], manifest));
/** @type {(value: any, fields: object) => boolean} */
const hasFields = (value, fields) =>
  value !== null &&
  typeof value === "object" &&
  String(Object.keys(value).sort()) === String(Object.keys(fields).sort());

/** @type {Check} */
const isText = (value) => !findTextFlaw(value);
const isNumber = between(-Number.MAX_VALUE, Number.MAX_VALUE);
const isHash = like(/^[0-9a-f]{64}$/);
const counts = listOf(whole(0, 1e6));

/**
 * The fields of a manifest; `labels` are checked before what depends on their number.
 *
 * @type {Record<string, Check>}
 */
const FIELDS = {
  format: whole(1, 1),
  title: isText,
  language: like(/^[a-z]{2,3}$/),
  labels: (labels) => areLabels(labels) && labels.length > 1,
  base: object({
    name: like(/^.{1,64}$/),
    version: like(/^[0-9a-f]{12}$/),
    features: isHash,
    size: whole(1, 100_000),
  }),
  temperature: between(0.05, 20),
  ood_threshold: between(-1, 1),
  promise: (value) => [null, 0.9, 0.95].includes(value),
  made: like(/^\d{4}-\d\d-\d\d/),
  photos: counts,
  groups: counts,
  accuracy: (value, manifest) =>
    value === null ||
    (object({ right: counts, counted: counts, folds: like(/^(each group|five)$/) })(
      value,
      manifest,
    ) &&
      value.right.every(
        (/** @type {number} */ right, /** @type {number} */ label) => right <= value.counted[label],
      )),
  head: object({ sha256: isHash, bytes: whole(1, OPTIONS.bytes) }),
  golden: object({
    drawing: whole(1, 1),
    logits: listOf(listOf(isNumber), 2),
    novelty: listOf(isNumber, 2),
  }),
};

/** @typedef {(value: any, manifest?: any) => boolean} Check */
