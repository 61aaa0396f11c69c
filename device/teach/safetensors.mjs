/**
 * The file of a few-shot head: its arrays as a safetensors file, always in one order, and its hash.
 * Bytes are in the order of all browsers, the lowest first.
 *
 * Source: https://huggingface.co/docs/safetensors; FIPS 180-4.
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

/** The first bits of the fractions of the primes' roots. */
const [ROUNDS, START] = [Math.cbrt, Math.sqrt].map((root) =>
  Uint32Array.from(primes(64), (prime) => (root(prime) % 1) * 2 ** 32),
);

/** @param {number} count */
function primes(count) {
  /** @type {number[]} */
  const found = [];
  for (let number = 2; found.length < count; number++) {
    if (found.every((prime) => number % prime)) found.push(number);
  }
  return found;
}

/** @type {(word: number, bits: number) => number} */
const turn = (word, bits) => (word >>> bits) | (word << (32 - bits));

/** @param {Uint8Array} bytes */
export function sha256(bytes) {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const [state, words] = [START.slice(0, 8), new Uint32Array(64)];
  for (let start = 0; start < padded.length; start += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) words[i] = view.getUint32(start + i * 4);
      else {
        const [near, far] = [words[i - 2], words[i - 15]];
        const small = turn(near, 17) ^ turn(near, 19) ^ (near >>> 10);
        words[i] =
          words[i - 16] + words[i - 7] + small + (turn(far, 7) ^ turn(far, 18) ^ (far >>> 3));
      }
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const first = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g));
      const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      const sum = (first + ROUNDS[i] + words[i]) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + sum) | 0, c, b, a, (sum + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] += value));
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}
