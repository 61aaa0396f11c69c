/** The mode `auto`: one of the two ways answers, and the other one where that fails. */

/** @import { Answer } from "../types" */

import { pause } from "../engine/abort.mjs";
import { mayServerRead, noteSent } from "./sender.mjs";

/** Time for the server to answer once the device could, in milliseconds. */
const PATIENCE_MS = 4000;

/** Codes about the photo itself, which the other way would return as well. */
export const PHOTO_CODES = new Set([
  "missing",
  "empty",
  "too-large",
  "too-small",
  "too-many-pixels",
  "unsupported-format",
  "damaged",
  "invalid",
]);

/**
 * @callback Way
 * @param {import("./device_model.mjs").DeviceModel} device
 * @param {((blob: Blob, options: object) => Promise<Answer>) | null} askServer
 * @param {Blob} blob
 * @param {object} options see `Identifier.identify`
 * @returns {Promise<Answer>}
 */

/** @type {Way} The device answers, or the server if it may read what the device can't. */
export async function deviceFirst(device, askServer, blob, options) {
  try {
    return await device.identify(blob, options);
  } catch (error) {
    if (!askServer || !(await mayServerRead(blob, error))) throw error;
    if (!(await options.ask?.(error))) throw error;
    try {
      return await askServer(blob, { ...options, ask: async () => true });
    } catch (second) {
      options.signal?.throwIfAborted();
      if (PHOTO_CODES.has(second.code)) throw second;
      throw Object.assign(error, { sent: second.sent });
    }
  }
}

/** @type {Way} The server answers, or the device if it doesn't within `PATIENCE_MS`. */
export async function serverFirst(device, askServer, blob, options) {
  const { signal } = options;
  const stop = new AbortController();
  const abort = () => stop.abort(signal.reason);
  signal?.addEventListener("abort", abort);
  let hasAsked = false;
  if (device.loading) {
    const patience = pause(PATIENCE_MS, stop.signal);
    Promise.all([device.loading, patience]).then(
      // No time limit while the visitor is asked.
      () => hasAsked || stop.abort(),
      () => {},
    );
  }
  const ask = async (error) => {
    hasAsked = true;
    return Boolean(await options.ask?.(error));
  };
  try {
    signal?.throwIfAborted();
    return await askServer(blob, { ...options, ask, signal: stop.signal });
  } catch (error) {
    signal?.throwIfAborted();
    // The visitor is asked only about files that the device can't read.
    if (hasAsked || PHOTO_CODES.has(error.code)) throw error;
    if (!(await canLoad(device, signal))) throw error;
    const answering = device.identify(blob, options);
    // The server received the photo although it failed.
    return await (error.sent ? noteSent(() => error.sent, answering) : answering);
  } finally {
    signal?.removeEventListener("abort", abort);
    stop.abort();
  }
}

/**
 * Return whether the device can answer, once that is known.
 *
 * @param {import("./device_model.mjs").DeviceModel} device
 * @param {AbortSignal} [signal]
 */
export async function canLoad(device, signal) {
  try {
    await device.loaded(signal);
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}
