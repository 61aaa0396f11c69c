/** The engine of packed networks: the plain kernels, or the relaxed ones where they are quicker. */

import { pause } from "./abort.mjs";
import { LoupeError } from "./errors.mjs";
import { openKernels } from "./kernels.mjs";
import { Network } from "./network.mjs";

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** Rounds, and the largest share of the plain kernels' time at which the relaxed ones are used. */
const ROUNDS = 4;
const MAX_SHARE = 0.97;

/** @type {(entry: Graph) => PackedFile[]} */
export const filesOf = ({ network }) => (network ? [network] : []);

/**
 * @param {Bytes[]} files
 * @param {{kernels?: Binary}} options
 * @returns {Promise<Engine>}
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
