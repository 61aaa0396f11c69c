/** Rounding as Python does it: halves go to the even neighbour. */

/** @param {number} value */
export function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** @type {(value: number, digits: number) => number} */
export function round(value, digits) {
  return Number(toFixed(value, digits));
}

/** @type {(value: number, digits: number) => string} */
export function toFixed(value, digits) {
  const scaled = value * 10 ** digits;
  // A number is exactly half way between two decimals only if it has one binary digit more.
  const isTie = Number.isInteger(value * 2 ** (digits + 1)) && Math.abs(scaled % 1) === 0.5;
  return isTie ? (roundHalfEven(scaled) / 10 ** digits).toFixed(digits) : value.toFixed(digits);
}
