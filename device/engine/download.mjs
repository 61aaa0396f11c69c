/** Fetching a model and what runs it; the app makes some of its files on the first request. */

import { pause } from "./abort.mjs";
import { LoupeError } from "./errors.mjs";

/** @typedef {(bytes: number, isStalled?: boolean) => void} Count */

/** The format of `model.json` that this code reads. */
const FORMAT = 2;

/** Pause before asking again, in milliseconds. */
const MAKING_MS = 2000;

/** Pause before an interrupted download is resumed, in milliseconds. */
const RESUME_MS = 3000;

/** Longest time without progress until the server counts as unreachable, in milliseconds. */
export const STALL_MS = 30_000;

/** Consecutive attempts without progress, while online, after which a download fails. */
const MAX_VAIN = 40;

/**
 * Fetch a file; wait while it is being made.
 *
 * @param {URL | string} url
 * @param {(message: string) => void} [onWait] takes what the app says meanwhile
 * @param {RequestInit} [init] by default, the browser revalidates its cached copy
 * @throws {LoupeError} "unreachable" without a response; otherwise with the response's code, by
 *   default "no-such-model"
 */
export async function fetchMade(url, onWait, init = { cache: "no-cache" }) {
  for (;;) {
    let response;
    try {
      // After what the page itself needs, over a slow line.
      response = await fetch(url, { priority: "low", ...init });
    } catch {
      const message = "The server doesn’t answer, and this model isn’t kept on this device.";
      throw new LoupeError("unreachable", message);
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
 * Throw if the server of a file that couldn't be fetched answers. @param {URL} url
 *
 * @throws {LoupeError} "engine-unavailable"
 */
export async function throwIfBlocked(url) {
  const signal = AbortSignal.timeout(STALL_MS);
  // No folder is kept on the device, so it is the server that answers, perhaps with a 404.
  const asked = fetch(new URL(".", url), { cache: "no-store", mode: "no-cors", signal });
  if (!(await asked.catch(() => null))) return;
  // The connection may have come back in between.
  const again = await fetch(url, { cache: "no-store", signal }).catch(() => null);
  if (again?.ok) return void again.body?.cancel();
  const name = url.pathname.split("/").pop();
  const message =
    `${name} can’t be fetched, although the server answers. A filter may block that file: allow ` +
    "it, or use another network.";
  throw new LoupeError("engine-unavailable", message);
}

/**
 * @type {(address: string) => Promise<ModelConfig>} of the folder with `model.json`
 * @throws {LoupeError} "unreachable", "no-such-model", "bundle-damaged" or "bundle-too-new"
 */
export async function fetchModel(address) {
  return checkModel(await fetchJson(new URL("model.json", address)), address);
}

/**
 * Return a graph's entry in `model.json`. That of the full graph may be empty: a server makes its
 * files when they are first asked for.
 *
 * @type {(model: ModelConfig, graph: GraphName, address: string) => Promise<Graph>}
 * @throws {LoupeError} as `fetchModel`
 */
export async function fetchGraph(model, graph, address) {
  const entry = Object.hasOwn(model.graphs, graph) ? model.graphs[graph] : null;
  if (!entry) throw new LoupeError("no-such-model", `${model.name} has no graph '${graph}'.`);
  if (entry.golden) return entry;
  return (model.graphs[graph] = await fetchJson(new URL(`${graph}.json`, address)));
}

/** @param {URL} url */
async function fetchJson(url) {
  const response = await fetchMade(url);
  try {
    return await response.json();
  } catch {
    throw new LoupeError("bundle-damaged", `${url} is not JSON.`);
  }
}

/**
 * Return the contents of a `model.json` if this code can read them.
 *
 * @type {(info: any, address: string) => ModelConfig}
 * @throws {LoupeError} "bundle-damaged" or "bundle-too-new"
 */
export function checkModel(info, address) {
  const url = new URL("model.json", address);
  if (info?.format > FORMAT) {
    throw new LoupeError("bundle-too-new", `${url} is of a newer Loupe. Reload this page.`);
  }
  if (info?.format !== FORMAT) throw new LoupeError("bundle-damaged", `${url} is no model.`);
  return info;
}

/**
 * Download files and report the bytes so far. If the connection is lost, the bytes received are
 * kept and the download resumes later.
 *
 * @type {(address: string, files: PackedFile[], onProgress: Progress) =>
 *   Promise<Uint8Array<ArrayBuffer>[]>}
 */
export async function downloadAll(address, files, onProgress) {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let received = 0;
  /** @type {Count} */
  const count = (bytes, isStalled = false) => onProgress((received += bytes), total, isStalled);
  return Promise.all(
    files.map(({ url, bytes, sha256 }) => download(new URL(url, address), bytes, sha256, count)),
  );
}

/**
 * Return the unpacked bytes of a gzip file after checking their hash.
 *
 * @type {(url: URL, size: number, sha256: string, count: Count) => Promise<Uint8Array<ArrayBuffer>>}
 */
async function download(url, size, sha256, count) {
  let bytes;
  const message = `The model arrived damaged (${url.pathname.split("/").pop()}). Try again.`;
  const packed = await receive(url, size, count);
  try {
    bytes = await unpack(await packed.arrayBuffer());
  } catch {
    throw new LoupeError("bundle-damaged", message);
  }
  // Without https there is no crypto.subtle; the golden test still runs.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== sha256) throw new LoupeError("bundle-damaged", message);
  }
  return new Uint8Array(bytes);
}

/**
 * Download a file. After an interruption, resume it, or start again if the host can't resume.
 *
 * @type {(url: URL, size: number, count: Count) => Promise<Blob>}
 */
async function receive(url, size, count) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let chunks = [];
  let length = 0;
  const drop = () => {
    count(-length);
    [chunks, length] = [[], 0];
  };
  for (let vain = 0; ; vain++) {
    let canResume = true;
    const stop = new AbortController();
    let timer = 0;
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), STALL_MS);
    };
    try {
      /** @type {HeadersInit} */
      const headers = length ? { Range: `bytes=${length}-` } : {};
      const response = await fetchMade(url, undefined, { headers, signal: stop.signal });
      if (response.status !== 206) drop();
      // Lengths of unpacked content aren't offsets in the host's file.
      canResume = response.type === "basic" && !response.headers.has("Content-Encoding");
      restart();
      for await (const chunk of chunksOf(response)) {
        chunks.push(chunk);
        length += chunk.byteLength;
        vain = 0;
        count(chunk.byteLength);
        restart();
      }
      return new Blob(chunks);
    } catch (error) {
      const isCut = !(error instanceof LoupeError) || error.code === "unreachable";
      if (!isCut || (vain >= MAX_VAIN && navigator.onLine)) throw error;
      if (!length && !stop.signal.aborted) {
        // One request may be lost.
        if (!vain) continue;
        await throwIfBlocked(url);
      }
      if (!canResume) drop();
      else if (length >= size) return new Blob(chunks);
      count(0, true);
      await connection();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Yield a response's chunks as they arrive. @param {Response} response */
async function* chunksOf({ body }) {
  // Not every browser supports async iteration over streams.
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (body).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Wait until the browser is online again, at most `RESUME_MS`. */
async function connection() {
  const stop = new AbortController();
  const { signal } = stop;
  const online = new Promise((resolve) => addEventListener("online", resolve, { signal }));
  await Promise.race([online, pause(RESUME_MS)]);
  stop.abort();
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
