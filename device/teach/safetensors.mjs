/**
 * The arrays of a few-shot head as a safetensors file, always in one order.
 *
 * Source: https://huggingface.co/docs/safetensors.
 */

/** @import { Head } from "../types" */

import { Flaw } from "./zip.mjs";

/**
 * Return the header's text, and where each array begins and ends.
 *
 * @type {(labels: number, size: number) => {text: string, spans: number[][]}}
 */
function headerOf(labels, size) {
  const shapes = { weight: [labels, size], bias: [labels], means: [labels, size] };
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const data_offsets = [end, (end += 4 * shape.reduce((product, side) => product * side))];
    return { name, entry: { dtype: "F32", shape, data_offsets } };
  });
  const text = JSON.stringify(Object.fromEntries(entries.map(({ name, entry }) => [name, entry])));
  return { text, spans: entries.map(({ entry }) => entry.data_offsets) };
}

/** @param {Head} head */
export function writeHead({ weight, bias, means }) {
  const { text } = headerOf(bias.length, weight.length / bias.length);
  const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const values = [weight, bias, means].flatMap((array) => Array.from(array));
  const view = new DataView(new ArrayBuffer(8 + header.length + 4 * values.length));
  view.setUint32(0, header.length, true);
  values.forEach((value, at) => view.setFloat32(8 + header.length + 4 * at, value, true));
  const bytes = new Uint8Array(view.buffer);
  bytes.set(header, 8);
  return bytes;
}

/**
 * Return the arrays in a file, which must have these labels and features.
 *
 * @type {(bytes: Uint8Array, labels: number, size: number) => Head}
 * @throws {Flaw}
 */
export function readHead(bytes, labels, size) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = bytes.length < 8 ? 0 : 8 + Number(view.getBigUint64(0, true));
  const { text, spans } = headerOf(labels, size);
  // Compared as text: of a name that is there twice, readers take the first or the last.
  const found = new TextDecoder().decode(bytes.subarray(8, start)).replace(/\s/g, "");
  if (found !== text || bytes.length !== start + spans[2][1]) {
    throw new Flaw(`head.safetensors isn't ${labels} labels × ${size} features in float32`);
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
