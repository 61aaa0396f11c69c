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

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */
/** @typedef {Map<string, Bytes>} Files contents by name */

/** The reason why a file is refused, to be put into a sentence. */
export class Flaw extends Error {}

const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** @param {Uint8Array} bytes */
export const crc32 = (bytes) =>
  ~bytes.reduce((sum, byte) => (sum >>> 8) ^ CHECKSUMS[(sum ^ byte) & 0xff], -1) >>> 0;

/**
 * A number of four bytes as two of two bytes, which browsers write as zips do: the lowest first.
 *
 * @type {(number: number) => [number, number]}
 */
const long = (number) => [number & 0xffff, number >>> 16];

/** @param {[string, any, number?][]} files names, contents and CRC-32, which only blobs need */
export function writeZip(files) {
  const [parts, directory] = [/** @type {BlobPart[]} */ ([]), /** @type {BlobPart[]} */ ([])];
  let [offset, size] = [0, 0];
  for (const [text, data, sum = crc32(data)] of files) {
    const length = data.size ?? data.length;
    const name = new TextEncoder().encode(text);
    const sizes = [...long(length), ...long(length), name.length, 0];
    const common = [VERSION, UTF8, STORED, 0, DATE, ...long(sum), ...sizes];
    parts.push(Uint16Array.of(...long(LOCAL), ...common), name, data);
    const rest = [0, 0, 0, 0, 0, ...long(offset)];
    directory.push(Uint16Array.of(...long(ENTRY), VERSION, ...common, ...rest), name);
    offset += LOCAL_BYTES + name.length + length;
    size += ENTRY_BYTES + name.length;
  }
  const counts = [0, 0, files.length, files.length];
  const end = Uint16Array.of(...long(END), ...counts, ...long(size), ...long(offset), 0);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** @typedef {{bytes: number, files: number}} Most bytes of the zip, and of all that it holds */

/**
 * Read a stranger's zip; where it has a flaw, say so in a sentence that has this begin and end.
 *
 * @type {<T>(file: Blob | Promise<Blob>, options: Most & {begin: string, end: string},
 *   use: (files: Files) => T) => Promise<T>}
 * @throws {LoupeError} "export-refused"
 */
export async function openZip(file, { begin, end, ...most }, use) {
  try {
    return use(await readZip(await file, most));
  } catch (error) {
    if (!(error instanceof Flaw)) throw error;
    throw new LoupeError("export-refused", `${begin}: ${error.message}. ${end}`);
  }
}

/** @type {(bytes: Uint8Array | undefined, name: string) => any} */
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
 * @type {(blob: Blob, most: Most) => Promise<Files>}
 * @throws {Flaw}
 */
async function readZip(blob, most) {
  const megabytes = `${most.bytes / 2 ** 20} MB`;
  if (blob.size > most.bytes) throw new Flaw(`it is larger than ${megabytes}`);
  const view = new DataView(await blob.arrayBuffer());
  /** @type {(at: number, length: number) => Bytes} */
  const bytesAt = (at, length) => new Uint8Array(view.buffer, at, length);
  /** @type {(at: number, length: number) => string} */
  const textAt = (at, length) => String.fromCharCode(...bytesAt(at, length));
  /** @type {((at: number) => number)[]} */
  const [two, four] = [(at) => view.getUint16(at, true), (at) => view.getUint32(at, true)];
  const end = view.byteLength - END_BYTES;
  if (end < 0 || four(end) !== END) throw new Flaw("it isn't a whole zip");
  if (two(end + 10) > most.files) throw new Flaw("its zip has too many files");
  /** @type {Files} */
  const files = new Map();
  const start = four(end + 16);
  let [at, entry, left] = [0, start, most.bytes];
  try {
    for (let number = 0; number < two(end + 10); number++) {
      const [flags, method] = [two(at + 6), two(at + 8)];
      if (flags & ~FLAGS || ![STORED, DEFLATED].includes(method)) {
        throw new Flaw("its zip is encrypted or made in another way than Loupe's");
      }
      const [checksum, packed, unpacked] = [14, 18, 22].map((place) => four(at + place));
      const [length, extra] = [two(at + 26), two(at + 28)];
      const name = textAt(at + LOCAL_BYTES, length);
      const isListed =
        four(at) === LOCAL &&
        four(entry) === ENTRY &&
        four(entry + 42) === at &&
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
      entry += ENTRY_BYTES + length + two(entry + 30) + two(entry + 32);
    }
    const isWhole = at === start && entry === end && four(end + 12) === end - start;
    if (!isWhole || two(end + 20)) throw new Flaw(CHANGED);
  } catch (error) {
    // It points past its end.
    throw error instanceof RangeError ? new Flaw(CHANGED) : error;
  }
  return files;
}

/** @type {(packed: Bytes, size: number) => Promise<Bytes>} */
async function inflate(packed, size) {
  const data = new Uint8Array(size);
  let at = 0;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  /** @param {Uint8Array} part */
  const write = (part) => {
    data.set(part, at);
    at += part.length;
  };
  await stream.pipeTo(new WritableStream({ write })).catch(() => {
    // Damaged, or larger than stated.
    throw new Flaw(CHANGED);
  });
  return data.subarray(0, at);
}
