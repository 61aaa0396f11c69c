/** The mode `auto`: one of the two ways answers, and the other one where that fails. */

import { anyAborted, pause } from "../engine/abort.mjs";
import { PHOTO_CODES } from "../engine/errors.mjs";
import { NotPermitted } from "./outgoing.mjs";

/** Time for the server to answer once the device could, in milliseconds. */
const PATIENCE_MS = 4000;

/**
 * The device answers, or the server, if there is one and it may read what the device can't.
 *
 * @throws {LoupeError} "unreachable" with a cause: that file waits for the server
 */
export async function deviceFirst(device, askServer, blob, options, server) {
  try {
    return await device.identify(blob, options);
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (!(await server?.mayRead(blob, cause))) throw cause;
    // If the model stopped, the file may be readable, so its pixels may be enough.
    const isFile = cause.code === "unsupported-format";
    try {
      return await askServer(blob, isFile ? { ...options, cause } : options);
    } catch (second) {
      options.signal?.throwIfAborted();
      if (isFile && second.code === "unreachable") throw Object.assign(second, { cause });
      throw second instanceof NotPermitted || PHOTO_CODES.has(second.code) ? second : cause;
    }
  }
}

/**
 * The server answers, or the device if it doesn't within `PATIENCE_MS`.
 *
 * @throws {LoupeError} as `deviceFirst`
 */
export async function serverFirst(device, askServer, blob, options, server) {
  const { signal } = options;
  const stop = anyAborted(signal);
  if (device.loading) {
    const patience = pause(PATIENCE_MS, stop.signal);
    Promise.all([device.loading, patience]).then(stop.abort, () => {});
  }
  try {
    return await askServer(blob, { ...options, signal: stop.signal });
  } catch (error) {
    signal?.throwIfAborted();
    // Only files that the device can't read need more than the page has said.
    if (error instanceof NotPermitted || PHOTO_CODES.has(error.code)) throw error;
    options.onPlace?.("device");
    if (!(await canLoad(device, signal))) throw error;
    return await device.identify(blob, options).catch(async (cause) => {
      const isFile = cause.code === "unsupported-format" && (await server.mayRead(blob, cause));
      throw isFile && error.code === "unreachable" ? Object.assign(error, { cause }) : cause;
    });
  } finally {
    stop.unlink();
    stop.abort();
  }
}

/** Return whether the device can answer, once that is known. */
export async function canLoad(device, signal) {
  try {
    await device.loaded(signal);
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}
