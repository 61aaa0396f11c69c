/** What a JPEG's header says of its pixels: their size, and how they are turned. */

/** Tag of the orientation in EXIF, and its type, a short number. */
const ORIENTATION = 0x0112;
const SHORT = 3;

/**
 * Return the size that a JPEG's frame header states, before it is turned; null without one.
 *
 * @param {Uint8Array} bytes
 */
export function jpegSize(bytes) {
  for (const { marker, view } of segments(bytes)) {
    const isFrameHeader = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrameHeader) return { width: view.getUint16(7), height: view.getUint16(5) };
  }
  return null;
}

/**
 * Return a JPEG's EXIF orientation, 1 to 8; 1 if it is absent or malformed.
 *
 * @param {Uint8Array} bytes
 */
export function jpegOrientation(bytes) {
  try {
    for (const { marker, view } of segments(bytes)) {
      const isExif = marker === 0xe1 && view.getUint32(4) === 0x45786966 && !view.getUint16(8);
      if (isExif) return readOrientation(new DataView(view.buffer, view.byteOffset + 10));
    }
  } catch (error) {
    // The block states places outside of the file.
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** @param {DataView} view begins at the block's own header */
function readOrientation(view) {
  const isLittle = view.getUint16(0) === 0x4949;
  const start = view.getUint32(4, isLittle);
  const count = view.getUint16(start, isLittle);
  for (let at = start + 2; at < start + 2 + 12 * count; at += 12) {
    if (view.getUint16(at, isLittle) !== ORIENTATION) continue;
    const value = view.getUint16(at + 8, isLittle);
    const isValid = view.getUint16(at + 2, isLittle) === SHORT && value >= 1 && value <= 8;
    return isValid ? value : 1;
  }
  return 1;
}

/**
 * Yield the segments before the coded data, each with a view that begins at its marker.
 *
 * @param {Uint8Array} bytes
 */
function* segments(bytes) {
  const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 10 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    yield { marker: bytes[at + 1], view: new DataView(bytes.buffer, bytes.byteOffset + at) };
    at += 2 + whole.getUint16(at + 2);
  }
}
