/**
 * The arrays of a few-shot head as a safetensors file, always in one order. Bytes are in the order
 * of all browsers, the lowest first.
 *
 * Source: https://huggingface.co/docs/safetensors.
 */

import { Flaw } from "./zip.mjs";

/** @type {(labels: number, size: number) => {text: string, bytes: number}} */
function headerOf(labels, size) {
  let bytes = 0;
  const entries = Object.entries({ weight: [labels, size], bias: [labels], means: [labels, size] });
  const tensors = entries.map(([name, shape]) => {
    const data_offsets = [bytes, (bytes += 4 * shape.reduce((product, side) => product * side))];
    return [name, { dtype: "F32", shape, data_offsets }];
  });
  return { text: JSON.stringify(Object.fromEntries(tensors)), bytes };
}

/** @param {Head} head */
export function writeHead({ weight, bias, means }) {
  const { text, bytes } = headerOf(bias.length, weight.length / bias.length);
  const length = Math.ceil(text.length / 8) * 8;
  const packed = new Uint8Array(8 + length + bytes);
  packed[0] = length;
  packed[1] = length >> 8;
  packed.set(new TextEncoder().encode(text.padEnd(length)), 8);
  const values = Float32Array.of(...weight, ...bias, ...means);
  packed.set(new Uint8Array(values.buffer), 8 + length);
  return packed;
}

/**
 * Return the arrays in a file, which must have these labels and features.
 *
 * @type {(packed: Uint8Array, labels: number, size: number) => Head}
 * @throws {Flaw}
 */
export function readHead(packed, labels, size) {
  const start = 8 + packed[0] + 256 * packed[1];
  const { text, bytes } = headerOf(labels, size);
  // Compared as text: of a name that is there twice, readers take the first or the last.
  const found = new TextDecoder().decode(packed.subarray(8, start)).replace(/\s/g, "");
  const isLonger = packed.subarray(2, 8).some(Boolean);
  if (found !== text || isLonger || packed.length !== start + bytes) {
    throw new Flaw(`head.safetensors isn't ${labels} labels × ${size} features in float32`);
  }
  const values = new Float32Array(packed.slice(start).buffer);
  if (!values.every(Number.isFinite)) {
    throw new Flaw("head.safetensors has numbers that aren't finite");
  }
  const [end, rest] = [labels * size, labels * size + labels];
  const [weight, bias, means] = [values.slice(0, end), values.slice(end, rest), values.slice(rest)];
  return { weight, bias, means };
}
