/** The kernels of `device/kernels/`, in WebAssembly, and their memory. */

import { fetchMade, throwIfBlocked } from "./download.mjs";
import { LoupeError, messageOf } from "./errors.mjs";

/** Places are multiples of this; kernels may reach 16 bytes beyond the end of an array. */
const ALIGNMENT = 64;

/** @type {Map<Binary, Promise<WebAssembly.Module>>} */
const modules = new Map();

/**
 * Return new kernels with a memory of their own.
 *
 * @param {Binary} [binary]
 * @throws {LoupeError} "engine-unavailable" or "unreachable"
 */
export async function openKernels(binary = "kernels") {
  if (!modules.has(binary)) modules.set(binary, compile(binary));
  try {
    const module = /** @type {WebAssembly.Module} */ (await modules.get(binary));
    return new Kernels(/** @type {any} */ ((await WebAssembly.instantiate(module)).exports));
  } catch (error) {
    modules.delete(binary);
    if (error instanceof LoupeError) throw error;
    throw new LoupeError(
      "engine-unavailable",
      `This browser can’t run ${binary}.wasm: ${messageOf(error)}`,
    );
  }
}

/** @type {(binary: Binary) => Promise<WebAssembly.Module>} */
async function compile(binary) {
  const url = new URL(`${binary}.wasm`, import.meta.url);
  const request = () => fetchMade(url);
  // One lost request must not make photos leave as files for the rest of the visit.
  const response = await request()
    .catch(request)
    .catch((error) => throwIfBlocked(url).then(() => Promise.reject(error)));
  return WebAssembly.compile(await response.arrayBuffer());
}

/**
 * Kernels, and arrays in their memory, which are never freed one by one. Views of them are valid
 * until the next array is allocated.
 */
export class Kernels {
  #end;

  /** @param {KernelExports} exports */
  constructor(exports) {
    this.run = exports;
    this.#end = exports.__heap_base.value;
  }

  /**
   * Return the place of a new array.
   *
   * @type {(bytes: number) => number}
   * @throws {LoupeError} "engine-unavailable" without memory for it
   */
  allocate(bytes) {
    const at = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    const { memory } = this.run;
    const missing = at + bytes + 16 - memory.buffer.byteLength;
    try {
      if (missing > 0) memory.grow(Math.ceil(missing / 2 ** 16));
    } catch {
      const message = "This device has too little memory for the model. Close other tabs.";
      throw new LoupeError("engine-unavailable", message);
    }
    this.#end = at + bytes + 16;
    return at;
  }

  /** Free all arrays from this place on. @param {number} at */
  free(at) {
    this.#end = at;
  }

  /** @type {(at: number, length: number) => Uint8Array} */
  bytes(at, length) {
    return new Uint8Array(this.run.memory.buffer, at, length);
  }

  /** @type {(at: number, length: number) => Float32Array} */
  floats(at, length) {
    return new Float32Array(this.run.memory.buffer, at, length);
  }
}
