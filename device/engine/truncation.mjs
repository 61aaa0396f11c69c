/**
 * Whether a photo's file is whole. The server refuses one that was cut short; some browsers show
 * its upper part and leave the rest grey, which would be identified.
 */

/**
 * Return false if a JPEG, PNG or WebP ends too early; true for whole files and for other formats.
 *
 * @param {Uint8Array} bytes
 */
export function isWhole(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return endsJpeg(bytes);
  if (textAt(bytes, 1, "PNG")) return endsPng(bytes);
  if (textAt(bytes, 0, "RIFF")) return viewOf(bytes).getUint32(4, true) + 8 <= bytes.length;
  return true;
}

/**
 * Walk a JPEG's segments to the marker EOI; a thumbnail's, inside a segment, doesn't count.
 *
 * @param {Uint8Array} bytes
 */
function endsJpeg(bytes) {
  const view = viewOf(bytes);
  let at = 2;
  while (at + 4 <= bytes.length || bytes[at + 1] === 0xd9) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0 || marker === 0xff || isRestart(marker)) {
      // Coded data, or filling: on to the next 0xff.
      at = bytes.indexOf(0xff, at + (bytes[at] === 0xff && marker !== 0xff ? 2 : 1));
      if (at < 0) return false;
    } else if (marker === 0xd9) {
      return true;
    } else {
      at += 2 + view.getUint16(at + 2);
    }
  }
  return false;
}

/** @param {number} marker */
const isRestart = (marker) => marker >= 0xd0 && marker <= 0xd7;

/**
 * Walk a PNG's chunks to the last one.
 *
 * @param {Uint8Array} bytes
 */
function endsPng(bytes) {
  const view = viewOf(bytes);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (textAt(bytes, at + 4, "IEND")) return true;
  }
  return false;
}

/** @param {Uint8Array} bytes */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @type {(bytes: Uint8Array, at: number, text: string) => boolean} */
const textAt = (bytes, at, text) =>
  Array.from(text).every((letter, place) => bytes[at + place] === letter.charCodeAt(0));
