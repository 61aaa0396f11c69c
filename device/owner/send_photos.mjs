/** Sends photos to the app when its owner presses a button; the app accepts no one else's. */

import { LoupeError } from "../engine/errors.mjs";

const LOST = "The connection was lost, and nothing was saved. Send the photos again.";
const UNKNOWN = "The connection was lost. Reload the page to see whether the photos arrived.";

/**
 * Send a zip to a photo set. Until the response arrives, the browser asks before leaving the page.
 *
 * @type {(zip: Blob, set: {base: string, name: string, mode: string}, options?: {signal?:
 *   AbortSignal, onSent?: (bytes: number) => void}) => Promise<{name: string} | null>} the
 *   response; null if `mode` is "new" and the set exists
 * @throws {LoupeError} with the app's message
 */
export async function sendPhotos(zip, { base, name, mode }, { onSent, signal } = {}) {
  const request = new XMLHttpRequest();
  const ask = (event) => event.preventDefault();
  let sent = 0;
  addEventListener("beforeunload", ask);
  await new Promise((resolve, reject) => {
    request.open("POST", `${base}owner/photos/${encodeURIComponent(name)}?mode=${mode}`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/zip");
    request.upload.onprogress = request.upload.onload = ({ loaded }) => {
      sent = Math.min(loaded, zip.size);
      onSent?.(sent);
    };
    request.onload = resolve;
    const why = () => (sent < zip.size ? LOST : UNKNOWN);
    request.onerror = () => reject(new LoupeError("unreachable", why()));
    request.onabort = () => reject(signal.reason);
    signal?.addEventListener("abort", () => request.abort());
    request.send(zip);
  }).finally(() => removeEventListener("beforeunload", ask));
  const { response, status } = request;
  if (status === 201) return response;
  if (status === 409 && mode === "new") return null;
  const otherwise = `The app refused the photos (HTTP ${status}). Try again.`;
  throw new LoupeError(response?.code ?? "invalid", response?.detail ?? otherwise);
}
