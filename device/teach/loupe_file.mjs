/**
 * `NAME.loupe`: a taught model in one file, without its base and without any photo. It comes from
 * strangers: everything is checked before anything is used.
 */

import { readHead, writeHead, sha256 } from "./safetensors.mjs";
import { Flaw, openZip, parseJson, writeZip } from "./zip.mjs";

const MANIFEST = "manifest.json";
const HEAD = "head.safetensors";
const OPTIONS = {
  ...{ bytes: 2 * 2 ** 20, files: 9, begin: "This .loupe file can't be used" },
  end: "Ask for the file again, or save it again where the model was made.",
};

/** First line of a file as text, for who opens it elsewhere. Any short line is accepted. */
const INTRO = "A model made with Loupe. Save this file, then open it on the page Teach.";
const TEXT = /^[^\r\n]{1,200}\r?\n([A-Za-z0-9+/]+={0,2})\s{0,4}$/;

export const MAX_LABELS = 20;
export const MAX_CHARACTERS = 60;
const HASH = /^[0-9a-f]{64}$/;
const MAX_LENGTH_ERROR = 1e-3;

/** Code points by what they do: the table of `model/text.py`, which explains it. */
export const CHARACTERS = {
  controls: "0-1f 7f-9f 61c 200e-200f 2028-202e 2066-2069 d800-dfff",
  hidden:
    "ad 34f 115f-1160 17b4-17b5 200b 2060-2065 206a-206f 2800 3164 feff ffa0 fff0-fffb " +
    "1bca0-1bca3 1d173-1d17a e0000-e00ff e01f0-e0fff",
  joiners: "180b-180f 200c-200d fe00-fe0f e0100-e01ef",
  blanks:
    "20 a0 1680 2000-200a 202f 205f 3000 300-36f 1ab0-1aff 1dc0-1dff 20d0-20ff fe20-fe2f " +
    "e000-f8ff f0000-10ffff",
};
/** @param {string[]} ranges */
const oneOf = (...ranges) => ranges.join(" ").replace(/([0-9a-f]+) ?/g, "\\u{$1}");
const { controls, hidden, joiners } = CHARACTERS;
const CONTROL = new RegExp(`[${oneOf(controls)}]`, "u");
const INVISIBLE = new RegExp(`[${oneOf(controls, hidden)}]`, "u");
const JOINERS = new RegExp(`[${oneOf(joiners)}]`, "gu");
const VISIBLE = new RegExp(`[^${oneOf(...Object.values(CHARACTERS))}]`, "u");
/** White space at either end. As in Python, a byte order mark isn't white space. */
const ENDS = /^(?!\ufeff)\s|(?!\ufeff)\s$/u;
const HIDES = "it has invisible characters, such as text-direction marks";

/** Say what is wrong with a label or a title of a file, or "". @type {(text: unknown) => string} */
export function findTextFlaw(text) {
  if (typeof text !== "string" || ENDS.test(text) || !text) {
    return "it needs a name without spaces around it";
  }
  const isLong = Array.from(text).length > MAX_CHARACTERS;
  if (isLong) return `it is longer than ${MAX_CHARACTERS} characters`;
  if (!VISIBLE.test(text)) return "it has no visible character";
  return CONTROL.test(text) ? HIDES : "";
}

/** @param {string} text */
const lookOf = (text) => text.replace(JOINERS, "").normalize("NFKC");

/**
 * Say what is wrong with a new title, or a new label beside others. Earlier files may have flaws.
 *
 * @type {(text: string, others?: string[]) => string}
 */
export function findNameFlaw(text, others = []) {
  const flaw = findTextFlaw(text) || (INVISIBLE.test(text) ? HIDES : "");
  const isTaken = others.some((other) => lookOf(other) === lookOf(text));
  return flaw || (isTaken ? "there is a label of this name already" : "");
}

/** Return the labels in which `findNameFlaw` finds a flaw. @param {string[]} labels */
export function findConfusing(labels) {
  const others = (/** @type {string} */ label) => labels.filter((other) => other !== label);
  return labels.filter((label) => findNameFlaw(label, others(label)));
}

/** @param {unknown} labels */
export const areLabels = (labels) =>
  Array.isArray(labels) &&
  labels.length <= MAX_LABELS &&
  new Set(labels).size === labels.length &&
  !labels.some(findTextFlaw);

/** @param {TaughtModel} taught with golden outputs */
export function writeLoupe({ manifest, head }) {
  const packed = writeHead(head);
  const described = { ...manifest, head: { sha256: sha256(packed), bytes: packed.length } };
  return writeZip([
    [MANIFEST, new TextEncoder().encode(JSON.stringify(described, null, 1))],
    [HEAD, packed],
  ]);
}

/**
 * Return a `.loupe` file as text, because some browsers share text where they refuse other files.
 *
 * @param {Blob} file
 */
export async function toText(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return `${INTRO}\n${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}\n`;
}

/**
 * Return the file in a stranger's text, for `readLoupe`.
 *
 * @type {(text: Blob) => Promise<Blob>}
 * @throws {Flaw}
 */
export async function fromText(text) {
  if (text.size > 2 * OPTIONS.bytes) throw new Flaw("its text is too long");
  const [, base64 = ""] = TEXT.exec(await text.text()) ?? [];
  if (!base64 || base64.length % 4) throw new Flaw("its text isn't what Loupe sends, or was cut");
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))]);
}

/**
 * Return the model in a `.loupe` file after checking all of it.
 *
 * @type {(file: Blob | Promise<Blob>) => Promise<TaughtModel>}
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
      const mean = head.means.subarray(start, start + base.size);
      const length = Math.sqrt(mean.reduce((sum, value) => sum + value ** 2, 0));
      if (Math.abs(length - 1) > MAX_LENGTH_ERROR) {
        throw new Flaw(`the means in ${HEAD} aren't of length one`);
      }
    }
    return { manifest, head };
  });
}

/** @type {(manifest: any) => LoupeManifest} */
function checkManifest(manifest) {
  const isNewer = manifest?.format > 1;
  if (isNewer) throw new Flaw("its format is of a newer Loupe, so reload this page first");
  const pattern = patternOf(manifest?.labels?.length);
  for (const [name, field] of Object.entries(pattern)) {
    if (!fits(manifest?.[name], field)) throw new Flaw(`${MANIFEST} isn't valid: ${name}`);
  }
  if (!fits(manifest, pattern)) throw new Flaw(`${MANIFEST} has fields that it shouldn't have`);
  return manifest;
}

/** @typedef {(value: any) => boolean} Check */
/** @typedef {RegExp | Check | {[name: string]: Pattern}} Pattern of a text, anything or an object */

/** @type {(value: any, pattern: Pattern) => boolean} */
function fits(value, pattern) {
  if (pattern instanceof RegExp) return typeof value === "string" && pattern.test(value);
  if (typeof pattern === "function") return pattern(value);
  const names = Object.keys(pattern).sort();
  const isAlike =
    value && typeof value === "object" && `${Object.keys(value).sort()}` === `${names}`;
  return isAlike && names.every((name) => fits(value[name], pattern[name]));
}

/** @type {(low: number, high: number) => Check} */
const between = (low, high) => (value) => Number.isFinite(value) && low <= value && value <= high;
/** @type {(low: number, high: number) => Check} */
const whole = (low, high) => (value) => Number.isInteger(value) && between(low, high)(value);
/** @type {(length: number, check: Check) => Check} */
const listOf = (length, check) => (value) =>
  Array.isArray(value) && value.length === length && value.every(check);

/** @type {Check} */
const isDate = (text) =>
  typeof text === "string" &&
  /^(?!0000)\d{4}-\d\d-\d\d$/.test(text) &&
  // The parser may take the 30th of February for the 2nd of March.
  new Date(Date.parse(text) || 0).toISOString().startsWith(text);

/** @type {(count: number) => {[name: string]: Pattern}} */
function patternOf(count) {
  const counts = listOf(count, whole(0, 1e6));
  const accuracy = { right: counts, counted: counts, folds: /^(each group|five)$/ };
  return {
    format: whole(1, 1),
    title: (value) => !findTextFlaw(value),
    language: /^[a-z]{2,3}$/,
    labels: (labels) => areLabels(labels) && labels.length > 1,
    base: {
      // It becomes a part of the address that the base is loaded from.
      name: /^[a-z0-9][a-z0-9_-]{0,63}$/,
      version: /^[0-9a-f]{12}$/,
      features: HASH,
      size: whole(1, 100_000),
    },
    temperature: between(0.05, 20),
    ood_threshold: between(-1, 1),
    promise: (value) => [null, 0.9, 0.95].includes(value),
    made: isDate,
    photos: counts,
    groups: counts,
    accuracy: (value) =>
      value === null ||
      (fits(value, accuracy) &&
        value.counted.every((/** @type {number} */ all, /** @type {number} */ label) =>
          whole(0, all)(value.right[label]),
        )),
    head: { sha256: HASH, bytes: whole(1, OPTIONS.bytes) },
    golden: {
      drawing: whole(1, 1),
      logits: listOf(2, listOf(count, Number.isFinite)),
      novelty: listOf(2, Number.isFinite),
    },
  };
}
