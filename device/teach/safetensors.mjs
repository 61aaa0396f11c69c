/**
 * The arrays of a few-shot head as a safetensors file.
 *
 * Source: https://huggingface.co/docs/safetensors.
 */

/** @import { Head } from "../types" */

import { Flaw } from "./zip.mjs";

const NAMES = /** @type {const} */ (["weight", "bias", "means"]);

/** @type {(labels: number, size: number) => number[][]} */
const shapesOf = (labels, size) => [[labels, size], [labels], [labels, size]];

/** @param {Head} head */
export function writeHead(head) {
  const labels = head.bias.length;
  const shapes = shapesOf(labels, head.weight.length / labels);
  let end = 0;
  const entries = NAMES.map((name, at) => {
    const data_offsets = [end, (end += head[name].byteLength)];
    return [name, { dtype: "F32", shape: shapes[at], data_offsets }];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const bytes = new Uint8Array(8 + header.length + end);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.length, true);
  bytes.set(header, 8);
  const values = NAMES.flatMap((name) => Array.from(head[name]));
  values.forEach((value, at) => view.setFloat32(8 + header.length + 4 * at, value, true));
  return bytes;
}

/**
 * Return the arrays of a head after checking all that the file says.
 *
 * @param {Uint8Array} bytes
 * @param {number} labels
 * @param {number} size number of features
 * @returns {Head}
 * @throws {Flaw}
 */
export function readHead(bytes, labels, size) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = bytes.length < 8 ? 0 : 8 + Number(view.getBigUint64(0, true));
  const shapes = shapesOf(labels, size);
  /** @type {number[][]} */
  let spans = [];
  let isRight = false;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start));
    const { __metadata__, ...tensors } = JSON.parse(text);
    spans = NAMES.map((name) => tensors[name].data_offsets);
    const ends = [0, ...spans.map(([, end]) => end).sort((a, b) => a - b)];
    isRight =
      Object.keys(tensors).length === NAMES.length &&
      // Of a name that is there twice, readers take the first or the last.
      text.match(/"data_offsets"/g)?.length === NAMES.length &&
      NAMES.every((name, at) => {
        const { dtype, shape } = tensors[name];
        const [begin, end] = spans[at];
        const count = shapes[at].reduce((product, length) => product * length);
        const isOfShape = dtype === "F32" && String(shape) === String(shapes[at]);
        return isOfShape && end - begin === 4 * count && ends.includes(begin);
      }) &&
      ends[NAMES.length] === bytes.length - start;
  } catch {
    // No JSON, or another one.
  }
  if (!isRight) {
    throw new Flaw(`head.safetensors doesn't hold ${labels} labels × ${size} features`);
  }
  const [weight, bias, means] = spans.map(([begin, end]) =>
    Float32Array.from({ length: (end - begin) / 4 }, (_, at) =>
      view.getFloat32(start + begin + 4 * at, true),
    ),
  );
  if (![weight, bias, means].every((array) => array.every(Number.isFinite))) {
    throw new Flaw("head.safetensors has numbers that aren't finite");
  }
  return { weight, bias, means };
}
