/**
 * Zips of a few files: written without compression, and read as a stranger's.
 *
 * Source: PKWARE's APPNOTE.TXT.
 */

import { LoupeError } from "../engine/errors.mjs";

const [LOCAL, ENTRY, END] = [0x04034b50, 0x02014b50, 0x06054b50];
const [LOCAL_BYTES, ENTRY_BYTES, END_BYTES] = [30, 46, 22];
/** Bytes that a file's header and its entry in the directory have in common, beside its name. */
const COMMON_BYTES = 24;
const [STORED, DEFLATED, VERSION, UTF8] = [0, 8, 20, 0x0800];
/** Flags of a file that is read: hints of its compressor, and names in UTF-8. */
const FLAGS = 0x0806;
/** The first of January 1980: the same contents make the same zip. */
const DATE = 0x0021;

/** The reason why a file is refused, to be put into a sentence. */
export class Flaw extends Error {}

const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let sum = -1;
  for (const byte of bytes) sum = (sum >>> 8) ^ CHECKSUMS[(sum ^ byte) & 0xff];
  return ~sum >>> 0;
}

/**
 * Return numbers as bytes, the lowest first.
 *
 * @param {[number, number][]} numbers each with its number of bytes before it
 */
const pack = (...numbers) =>
  Uint8Array.from(
    numbers.flatMap(([size, number]) =>
      Array.from({ length: size }, (_, place) => (number / 256 ** place) & 0xff),
    ),
  );

/**
 * Return a zip.
 *
 * @param {[string, Uint8Array<ArrayBuffer>][]} files names and contents
 */
export function writeZip(files) {
  /** @type {Uint8Array<ArrayBuffer>[][]} */
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const [text, data] of files) {
    const name = new TextEncoder().encode(text);
    const [size, length] = [data.length, name.length];
    const common = [
      pack([2, VERSION], [2, UTF8], [2, STORED], [2, 0], [2, DATE]),
      pack([4, crc32(data)], [4, size], [4, size], [2, length], [2, 0]),
    ];
    parts.push(pack([4, LOCAL]), ...common, name, data);
    directory.push(pack([4, ENTRY], [2, VERSION]), ...common, pack([10, 0], [4, offset]), name);
    offset += LOCAL_BYTES + name.length + data.length;
  }
  const [count, size] = [files.length, directory.reduce((sum, { length }) => sum + length, 0)];
  const end = pack([4, END], [4, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/**
 * Read a stranger's zip; where it has a flaw, say so in a sentence.
 *
 * @template T
 * @param {Blob} file
 * @param {{bytes: number, files: number, begin: string, end: string}} options see `readZip`, and
 *   how the sentence begins and ends
 * @param {(files: Map<string, Uint8Array<ArrayBuffer>>) => T} use
 * @throws {LoupeError} "export-refused"
 */
export async function openZip(file, { begin, end, ...most }, use) {
  try {
    return use(await readZip(file, most));
  } catch (error) {
    if (!(error instanceof Flaw)) throw error;
    throw new LoupeError("export-refused", `${begin}: ${error.message}. ${end}`);
  }
}

/**
 * Return what a JSON file has.
 *
 * @param {Uint8Array | undefined} bytes
 * @param {string} name
 */
export function parseJson(bytes, name) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Flaw(`${name} isn't JSON`);
  }
}

const CHANGED = "its zip is damaged or was changed";

/**
 * Return the files in a zip by name. They must follow each other as its directory lists them, with
 * no byte in between: otherwise two programs could see different files.
 *
 * @param {Blob} blob
 * @param {{bytes: number, files: number}} most bytes of the zip, and of all that it holds
 * @returns {Promise<Map<string, Uint8Array<ArrayBuffer>>>}
 * @throws {Flaw}
 */
async function readZip(blob, most) {
  const megabytes = `${most.bytes / 2 ** 20} MB`;
  if (blob.size > most.bytes) throw new Flaw(`it is larger than ${megabytes}`);
  const view = new DataView(await blob.arrayBuffer());
  /** @type {(at: number, length: number) => Uint8Array<ArrayBuffer>} */
  const bytesAt = (at, length) => new Uint8Array(view.buffer, at, length);
  /** @type {(at: number, length: number) => string} */
  const textAt = (at, length) => String.fromCharCode(...bytesAt(at, length));
  /** @type {((at: number) => number)[]} */
  const [short, long] = [(at) => view.getUint16(at, true), (at) => view.getUint32(at, true)];
  const end = view.byteLength - END_BYTES;
  if (end < 0 || long(end) !== END) throw new Flaw("it isn't a whole zip");
  if (short(end + 10) > most.files) throw new Flaw("its zip has too many files");
  /** @type {Map<string, Uint8Array<ArrayBuffer>>} */
  const files = new Map();
  const start = long(end + 16);
  let [at, entry, left] = [0, start, most.bytes];
  try {
    for (let number = 0; number < short(end + 10); number++) {
      const [flags, method] = [short(at + 6), short(at + 8)];
      if (flags & ~FLAGS || ![STORED, DEFLATED].includes(method)) {
        throw new Flaw("its zip is encrypted or made in another way than Loupe's");
      }
      const [checksum, packed, unpacked] = [14, 18, 22].map((place) => long(at + place));
      const [length, extra] = [short(at + 26), short(at + 28)];
      const name = textAt(at + LOCAL_BYTES, length);
      const isListed =
        long(at) === LOCAL &&
        long(entry) === ENTRY &&
        long(entry + 42) === at &&
        textAt(entry + 6, COMMON_BYTES) === textAt(at + 4, COMMON_BYTES) &&
        textAt(entry + ENTRY_BYTES, length) === name;
      if (!isListed) throw new Flaw(CHANGED);
      if (files.has(name)) throw new Flaw("its zip has two files of one name");
      left -= unpacked;
      if (left < 0) throw new Flaw(`it unpacks to more than ${megabytes}`);
      const body = bytesAt(at + LOCAL_BYTES + length + extra, packed);
      const data = method === STORED ? body : await inflate(body, unpacked);
      if (data.length !== unpacked || crc32(data) !== checksum) throw new Flaw(CHANGED);
      files.set(name, data);
      at = body.byteOffset + packed;
      entry += ENTRY_BYTES + length + short(entry + 30) + short(entry + 32);
    }
    const isWhole = at === start && entry === end && long(end + 12) === end - start;
    if (!isWhole || short(end + 20)) throw new Flaw(CHANGED);
  } catch (error) {
    // It points past its end.
    throw error instanceof RangeError ? new Flaw(CHANGED) : error;
  }
  return files;
}

/**
 * Unpack a file of this size.
 *
 * @type {(packed: Uint8Array<ArrayBuffer>, size: number) => Promise<Uint8Array<ArrayBuffer>>}
 */
async function inflate(packed, size) {
  const data = new Uint8Array(size);
  let at = 0;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return data.subarray(0, at);
      data.set(value, at);
      at += value.length;
    }
  } catch {
    // Damaged, or larger than stated.
    reader.cancel().catch(() => {});
    throw new Flaw(CHANGED);
  }
}
