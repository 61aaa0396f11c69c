/**
 * SHA-256 as lower-case hex. On plain http, browsers have no `crypto.subtle`.
 *
 * Source: FIPS 180-4.
 */

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
