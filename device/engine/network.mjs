/**
 * A packed network, run by the plain kernels, or the relaxed ones where they are quicker;
 * `model/browser/packed_network.py` writes its file.
 *
 * The header is checked when the network is opened, so that no kernel reaches beyond its arrays. A
 * photo changes none of these places.
 */

import { LoupeError } from "./errors.mjs";
import { bindStep, check, OPERATORS, sizeOf, stored } from "./network_steps.mjs";
import { pause } from "./abort.mjs";
import { openKernels } from "./kernels.mjs";

const MAGIC = "LNN1";
const ALIGNMENT = 64;

export class Network {
  #header;
  #data;
  #pixels;
  #arena;
  /** @type {Step[]} */
  #steps;
  /** @type {Step[]} */
  #tail;
  /** @type {Map<string, Float64Array>} */
  #vectors = new Map();
  #scratch = 0;
  #scratchBytes = 0;

  /**
   * @param {Uint8Array<ArrayBuffer>} file
   * @param {Kernels} kernels that no other network uses
   * @throws {LoupeError} "bundle-damaged"; "engine-unavailable" without memory for it
   */
  constructor(file, kernels) {
    this.kernels = kernels;
    try {
      const length = new DataView(file.buffer, file.byteOffset).getUint32(4, true);
      /** @type {(start: number, end: number) => string} */
      const text = (start, end) => new TextDecoder().decode(file.subarray(start, end));
      check(text(0, MAGIC.length) === MAGIC);
      const header = JSON.parse(text(8, 8 + length));
      this.#header = header;
      this.#data = file.subarray(Math.ceil((8 + length) / ALIGNMENT) * ALIGNMENT);
      this.#pixels = kernels.allocate(3 * sizeOf([header.height, header.width]));
      check(Number.isInteger(header.arena) && header.arena >= 0);
      this.#arena = kernels.allocate(header.arena);
      this.#steps = header.steps.map((/** @type {PackedStep} */ step) => bindStep(step, this));
      this.#scratch = kernels.allocate(this.#scratchBytes);
      for (const [at, channels] of Object.values(header.kept)) this.map(at, [1, 1, channels]);
      const known = new Set(Object.keys(header.kept));
      this.#tail = header.tail.map((/** @type {Parameters<typeof this.bindVectors>[0]} */ entry) =>
        this.bindVectors(entry, known),
      );
      check(Object.values(header.outputs).every((name) => known.has(name)));
      // Fails if the operands of an operator don't fit.
      this.#finish();
      // All of it is in the kernels' memory now.
      this.#data = new Uint8Array();
    } catch (error) {
      if (error instanceof LoupeError) throw error;
      throw new LoupeError("bundle-damaged", "The packed network can’t be read.");
    }
  }

  /** The places of the photo's pixels, and of what all steps may overwrite. */
  get places() {
    return { pixels: this.#pixels, scratch: this.#scratch };
  }

  get size() {
    return [this.#header.height, this.#header.width];
  }

  /**
   * Return the place of a map in the arena; by default with channels that fill four up.
   *
   * @type {(at: number, shape: number[], channels?: number) => number}
   */
  map(at, [height, width, ...given], channels = stored(given[0])) {
    check(Number.isInteger(at) && at >= 0 && at % 16 === 0);
    check(at + 4 * sizeOf([height, width, channels]) <= this.#header.arena);
    return this.#arena + at;
  }

  /** Reserve memory for all steps together. @param {number} bytes */
  reserve(bytes) {
    this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
  }

  /** Copy a part of the file; return its place. @type {(at: number, length: number) => number} */
  copy(at, length) {
    const place = this.kernels.allocate(length);
    this.kernels.bytes(place, length).set(this.#part(at, length));
    return place;
  }

  /** @type {(at: number, length: number) => Uint8Array<ArrayBuffer>} */
  #part(at, length) {
    check(Number.isInteger(at) && at >= 0 && length >= 0 && at + length <= this.#data.length);
    return this.#data.slice(at, at + length);
  }

  /**
   * Check a vector operator, by its inputs and the names of its outputs; return what runs it.
   * `known` are the names so far.
   *
   * @type {(entry: [string, (string | VectorOperand)[], string[]], known: Set<string>) => Step}
   */
  bindVectors([operator, inputs, names], known) {
    check(Object.hasOwn(OPERATORS, operator));
    for (const input of inputs) check(typeof input !== "string" || known.has(input));
    for (const name of names) known.add(name);
    const operands = inputs.map((one) => (typeof one === "string" ? one : this.#operand(one)));
    return () => {
      const values = operands.map((one) =>
        typeof one === "string" ? this.#vectors.get(one) : one,
      );
      for (const [place, value] of [OPERATORS[operator](values, names.length)].flat().entries()) {
        this.#vectors.set(names[place], value);
      }
    };
  }

  /** @param {VectorOperand} operand */
  #operand({ at, count, weights, scales, rows, columns }) {
    if (!rows) return Float64Array.from(this.#numbers(at, count));
    const length = sizeOf([rows, columns]);
    if (scales === undefined) return { matrix: this.#numbers(weights, length), rows, columns };
    const factors = this.#numbers(scales, rows);
    const integers = new Int8Array(this.#part(weights, length).buffer);
    const matrix = Float32Array.from(
      integers,
      (value, i) => value * factors[Math.floor(i / columns)],
    );
    return { matrix, rows, columns };
  }

  /** @type {(at: number, count: number) => Float32Array} */
  #numbers(at, count) {
    return new Float32Array(this.#part(at, 4 * count).buffer);
  }

  /**
   * Run the network.
   *
   * @param {Uint8Array} pixels RGB, [height, width, 3]
   * @returns {Record<string, Float32Array>} outputs by name
   */
  run(pixels) {
    const { height, width } = this.#header;
    if (pixels.length !== 3 * height * width) throw new RangeError("Wrong number of pixels.");
    this.kernels.bytes(this.#pixels, pixels.length).set(pixels);
    for (const step of this.#steps) step();
    return this.#finish();
  }

  /** Compute what follows the steps; return the outputs by name. */
  #finish() {
    const { kept, outputs } = this.#header;
    for (const [name, [at, channels]] of Object.entries(kept)) {
      const values = this.kernels.floats(this.#arena + at, channels);
      this.#vectors.set(name, Float64Array.from(values));
    }
    for (const step of this.#tail) step();
    const results = Object.entries(outputs).map(([name, from]) => [
      name,
      Float32Array.from(this.#vectors.get(from) ?? []),
    ]);
    return Object.fromEntries(results);
  }
}

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Rounds, and the largest share of the plain kernels' time at which the relaxed ones are used. */
const ROUNDS = 4;
const MAX_SHARE = 0.97;

/** @type {(entry: Graph) => PackedFile[]} */
export const filesOf = ({ network }) => (network ? [network] : []);

/**
 * @type {(files: Bytes[], options: {kernels?: Binary}) => Promise<Engine>}
 * @throws {LoupeError} "bundle-damaged", "engine-unavailable" or "unreachable"
 */
export async function open([file], { kernels }) {
  /** @type {Bytes | null} */
  let kept = kernels ? null : file;
  let network = new Network(file, await openKernels(kernels));
  /** @type {(network: () => Network) => Engine["run"]} */
  const runner = (current) => async (pixels) => current().run(pixels);

  /** @param {(engine: Engine) => Promise<void>} test */
  async function chooseKernels(test) {
    if (!kept) return null;
    try {
      const relaxed = new Network(kept, await openKernels("kernels-relaxed"));
      const networks = [network, relaxed];
      const times = [Infinity, Infinity];
      for (let round = 0; round < ROUNDS; round++) {
        for (const [place, each] of networks.entries()) {
          // Photos come first.
          await pause(0);
          const started = performance.now();
          await test({ run: runner(() => each) });
          times[place] = Math.min(times[place], performance.now() - started);
        }
      }
      if (times[1] > MAX_SHARE * times[0]) return "kernels";
      network = relaxed;
      return "kernels-relaxed";
    } catch (error) {
      // Otherwise the browser lacks relaxed SIMD, or computes something else by it.
      return error instanceof LoupeError && error.code === "unreachable" ? null : "kernels";
    } finally {
      kept = null;
    }
  }
  return { run: runner(() => network), chooseKernels };
}
