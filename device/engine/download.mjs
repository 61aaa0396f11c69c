/** Fetching a model and what runs it; the app makes some of its files on the first request. */

/** @import { Graph, ModelConfig, Progress, Runtime } from "../types" */

import { pause } from "./abort.mjs";
import { LoupeError, messageOf } from "./errors.mjs";

/** The format of `model.json` that this code reads. */
const FORMAT = 2;

/** Pause before asking again, in milliseconds. */
const MAKING_MS = 2000;

/**
 * Fetch a file; wait while it is being made.
 *
 * @param {URL | string} url
 * @param {(message: string) => void} [onWait] takes what the app says meanwhile
 * @param {RequestCache} [cache] asks the server again, unless the URL names the content
 * @throws {LoupeError} with the code of the app's problem, by default "no-such-model"
 */
export async function fetchMade(url, onWait, cache = "no-cache") {
  for (;;) {
    let response;
    try {
      // After what the page itself needs, over a slow line.
      response = await fetch(url, { cache, priority: "low" });
    } catch {
      const message = "The server doesn’t answer, and this model isn’t kept on this device.";
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

/**
 * Fetch what `model.json` says.
 *
 * @param {string} address of its folder
 * @returns {Promise<ModelConfig>}
 * @throws {LoupeError} "no-such-model", "bundle-damaged" or "bundle-too-new"
 */
export async function fetchModel(address) {
  const url = new URL("model.json", address);
  const response = await fetchMade(url);
  let info;
  try {
    info = await response.json();
  } catch {
    throw new LoupeError("bundle-damaged", `${url} is not JSON.`);
  }
  if (info?.format > FORMAT) {
    throw new LoupeError("bundle-too-new", `${url} is of a newer Loupe. Reload this page.`);
  }
  if (info?.format !== FORMAT) throw new LoupeError("bundle-damaged", `${url} is no model.`);
  return info;
}

/**
 * Import ONNX Runtime.
 *
 * @param {string} url
 * @returns {Promise<Runtime>}
 * @throws {LoupeError} "engine-unavailable"
 */
export async function importRuntime(url) {
  try {
    return await import(url);
  } catch (error) {
    throw new LoupeError("engine-unavailable", `${url} can’t be run: ${messageOf(error)}`);
  }
}

/**
 * Download the runtime, the graph and its golden pixels, and report the bytes so far.
 *
 * @type {(address: string, model: ModelConfig, entry: Graph, onProgress: Progress) =>
 *   Promise<Uint8Array<ArrayBuffer>[]>}
 */
export async function downloadAll(address, { runtime }, entry, onProgress) {
  const files = [{ ...runtime, url: runtime.wasm }, entry, entry.golden];
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let received = 0;
  /** @param {number} bytes */
  const count = (bytes) => onProgress((received += bytes), total);
  return Promise.all(
    files.map(({ url, sha256 }) => download(new URL(url, address), sha256, count)),
  );
}

/**
 * Return the unpacked bytes of a gzip file after checking their hash.
 *
 * @type {(url: URL, sha256: string,
 *   count: (bytes: number) => void) => Promise<Uint8Array<ArrayBuffer>>}
 */
async function download(url, sha256, count) {
  const response = await fetchMade(url, undefined, "default");
  /** @type {TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>} */
  const counter = new TransformStream({
    transform(chunk, controller) {
      count(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  let bytes;
  try {
    bytes = await unpack(await new Response(response.body?.pipeThrough(counter)).arrayBuffer());
  } catch {
    throw new LoupeError("bundle-damaged", `${url} was cut short or changed.`);
  }
  // Without https there is no crypto.subtle; the golden test still runs.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new LoupeError("bundle-damaged", `${url} doesn’t match its SHA-256.`);
  }
  return new Uint8Array(bytes);
}

/**
 * Unpack gzip, unless the host has done that: some send `Content-Encoding: gzip` for `.gz`.
 *
 * @param {ArrayBuffer} bytes
 */
async function unpack(bytes) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  if (first !== 0x1f || second !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
