/**
 * Where photos are answered, and what leaves the device for that, in words: before, and after.
 */

/** @import { Answer, Recipe } from "../types" */
/** @import { IdentifierState } from "./types" */

const MARKED = "the marked part";
const GONE = {
  device: "The server doesn’t answer. This device still does.",
  server: "The server doesn’t answer. Trying again…",
};

/** Return a number of bytes: "98 kB" or "3.4 MB". */
export function formatBytes(bytes) {
  if (bytes < 999_500) return `${Math.max(1, Math.round(bytes / 1000))} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/**
 * Return what the server gets of a photo; at most that, while it isn't known.
 *
 * @param {Pick<IdentifierState, "sends">} state
 * @param {Recipe | null} recipe
 */
export function partOf({ sends }, recipe) {
  if (sends === "file") return "the whole file";
  if (sends === null) return "the photo or a part of it";
  return (recipe?.method ?? "crop") === "crop" ? MARKED : "the picture, made small";
}

/**
 * Return what is said before a photo.
 *
 * @param {IdentifierState} state
 * @param {Recipe | null} recipe
 * @param {boolean} isFileAllowed whether the visitor agreed to send files that can't be read here
 */
export function promiseOf(state, recipe, isFileAllowed) {
  if (state.next === "device") {
    if (isFileAllowed) return "On this device; files it can’t read go to the server";
    return "On this device: the photo stays here";
  }
  const part = partOf(state, recipe);
  const isPixels = state.sends === "pixels";
  if (isPixels && isFileAllowed) return `On the server: it gets ${part}, or else the file`;
  return `On the server: it gets ${part}${isPixels && part === MARKED ? " only" : ""}`;
}

/** Return what is said while the server can't be reached, or null. */
export function goneOf({ isConnected, server, device, next }) {
  if (isConnected || server === "none") return null;
  return next === "device" && device === "ready" ? GONE.device : GONE.server;
}

/** Return what was sent: "98 kB of pixels" or "the file, 3.4 MB". */
export function sentOf({ kind, bytes }) {
  return kind === "pixels" ? `${formatBytes(bytes)} of pixels` : `the file, ${formatBytes(bytes)}`;
}

/**
 * Return where an answer was computed, and what was sent for it: "On this device in 41 ms; sent:
 * numbers only".
 *
 * @param {Answer} answer
 * @param {string} sent what the app gets of a device's answer, if there is an app
 * @param {boolean} isLink of a link, perhaps of another visitor
 */
export function sourceOf(answer, sent, isLink) {
  const isOnDevice = answer.where === "device";
  if (isLink) {
    if (isOnDevice) return "On a device";
    return answer.from_pixels ? "On the server, from pixels" : "On the server";
  }
  const place = `${isOnDevice ? "On this device" : "On the server"}${withinOf(answer)}`;
  if (answer.sent) return `${place}; sent: ${sentOf(answer.sent)}`;
  return isOnDevice ? `${place}; ${sent ? `sent: ${sent}` : "nothing was sent"}` : place;
}

function withinOf({ milliseconds }) {
  // An answer that the browser no longer keeps has none.
  if (milliseconds === null) return "";
  if (milliseconds >= 1000) return ` in ${(milliseconds / 1000).toFixed(1)} s`;
  return ` in ${milliseconds < 1 ? "under 1" : milliseconds.toFixed(0)} ms`;
}

/** Return what computed an answer: "small graph, version 5252c99". */
export function engineOf({ prediction }) {
  const how = prediction.graph ? `${prediction.graph} graph` : `${prediction.engine} engine`;
  return `${how}, version ${prediction.version.slice(0, 7)}`;
}
