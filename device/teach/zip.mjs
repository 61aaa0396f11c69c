/**
 * Zips of a few files: written without compression, and read as a stranger's.
 *
 * Source: PKWARE's APPNOTE.TXT.
 */

const [LOCAL, ENTRY, END] = [0x04034b50, 0x02014b50, 0x06054b50];
const [LOCAL_BYTES, ENTRY_BYTES, END_BYTES] = [30, 46, 22];
const [STORED, DEFLATED, VERSION, UTF8] = [0, 8, 20, 0x0800];
/** Flags of a file that is read: hints of its compressor, sizes after the data, names in UTF-8. */
const FLAGS = 0x080e;
/** A file's sizes may be repeated after it. */
const MAX_GAP_BYTES = 24;
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

const CHANGED = "its zip is damaged or was changed";

/**
 * Return the files in a zip by name. Each header must agree with the directory, and no byte be left
 * over: otherwise two programs could see different files.
 *
 * @param {Blob} blob
 * @param {{bytes: number, unpacked: number, files: number}} most
 * @returns {Promise<Map<string, Uint8Array<ArrayBuffer>>>}
 * @throws {Flaw}
 */
export async function readZip(blob, most) {
  if (blob.size > most.bytes) throw new Flaw(`it is larger than ${most.bytes / 2 ** 20} MB`);
  const view = new DataView(await blob.arrayBuffer());
  const end = view.byteLength - END_BYTES;
  if (end < 0 || view.getUint32(end, true) !== END) throw new Flaw("it isn't a whole zip");
  const count = view.getUint16(end + 10, true);
  const start = view.getUint32(end + 16, true);
  if (count > most.files) throw new Flaw("its zip has too many files");
  // No record for huge files, and no comment.
  const isPlain = start + view.getUint32(end + 12, true) === end && !view.getUint16(end + 20, true);
  if (!isPlain) throw new Flaw(CHANGED);
  /** @type {Map<string, Uint8Array<ArrayBuffer>>} */
  const files = new Map();
  let [entry, at, left] = [start, 0, most.unpacked];
  for (let number = 0; number < count; number++) {
    const stated = readHeader(view, entry, end, ENTRY);
    const { flags, method, checksum, unpacked, name } = stated;
    if (flags & ~FLAGS || ![STORED, DEFLATED].includes(method)) {
      throw new Flaw("its zip is encrypted or compressed in another way than Deflate");
    }
    const place = view.getUint32(entry + 42, true);
    const local = readHeader(view, place, start, LOCAL);
    const isSame = local.name === name && local.flags === flags && local.method === method;
    const gap = place - at;
    at = local.end + stated.packed;
    if (!isSame || gap < 0 || gap > MAX_GAP_BYTES || at > start) throw new Flaw(CHANGED);
    left -= unpacked;
    if (left < 0) throw new Flaw(`it unpacks to more than ${most.unpacked / 2 ** 20} MB`);
    const packed = new Uint8Array(view.buffer, local.end, stated.packed);
    const data = method === STORED ? packed : await inflate(packed, unpacked);
    if (data.length !== unpacked || crc32(data) !== checksum) throw new Flaw(CHANGED);
    if (files.has(name)) throw new Flaw("its zip has two files of one name");
    files.set(name, data);
    entry = stated.end;
  }
  if (entry !== end || start - at > MAX_GAP_BYTES) throw new Flaw(CHANGED);
  return files;
}

/**
 * Return what a header says of a file, and where the header ends.
 *
 * @type {(view: DataView<ArrayBuffer>, at: number, limit: number, signature: number) => {
 *   flags: number, method: number, checksum: number, packed: number, unpacked: number,
 *   name: string, end: number }}
 */
function readHeader(view, at, limit, signature) {
  const isEntry = signature === ENTRY;
  const after = at + (isEntry ? ENTRY_BYTES : LOCAL_BYTES);
  if (after > limit || view.getUint32(at, true) !== signature) throw new Flaw(CHANGED);
  const start = at + (isEntry ? 6 : 4);
  const lengths = [22, 24, ...(isEntry ? [26] : [])].map((place) =>
    view.getUint16(start + place, true),
  );
  const end = after + lengths.reduce((sum, length) => sum + length, 0);
  if (end > limit) throw new Flaw(CHANGED);
  const [checksum, packed, unpacked] = [10, 14, 18].map((place) =>
    view.getUint32(start + place, true),
  );
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, after, lengths[0]));
  const [flags, method] = [2, 4].map((place) => view.getUint16(start + place, true));
  return { flags, method, checksum, packed, unpacked, name, end };
}

/**
 * Unpack a file, up to one byte more than its zip states.
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
      if (done) break;
      data.set(value, at);
      at += value.length;
    }
  } catch {
    // Damaged, or larger than stated.
    reader.cancel().catch(() => {});
    throw new Flaw(CHANGED);
  }
  return data.subarray(0, at);
}
