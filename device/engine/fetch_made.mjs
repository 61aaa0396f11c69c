/** Fetching what the app makes on the first request. */

import { pause } from "./abort.mjs";
import { LoupeError } from "./errors.mjs";

/** Pause before asking again, in milliseconds. */
const MAKING_MS = 2000;

/**
 * Fetch a file; wait while it is being made.
 *
 * @param {URL | string} url
 * @param {(message: string) => void} [onWait] takes what the app says meanwhile
 * @throws {LoupeError} with the code of the app's problem, by default "no-such-model"
 */
export async function fetchMade(url, onWait) {
  for (;;) {
    let response;
    try {
      response = await fetch(url, { cache: "no-cache", priority: "low" });
    } catch {
      const message = `There is no network, and ${url} isn't kept on this device.`;
      throw new LoupeError("no-such-model", message);
    }
    if (response.ok) return response;
    const { code, detail } = await response.json().catch(() => ({}));
    if (code !== "busy") {
      const message = detail ?? `The app answers ${response.status} for ${url}.`;
      throw new LoupeError(code ?? "no-such-model", message);
    }
    onWait?.(detail);
    await pause(MAKING_MS);
  }
}
