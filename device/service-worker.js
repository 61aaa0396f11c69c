/**
 * Keeps the page and its models on the device, so that both work without a network.
 *
 * All files of a version are in one cache, named by a hash of their list. A new version is fetched
 * beside the previous one, which is used until the last file is there: `state.json` then names the
 * new version. A browser that is closed before that leaves the previous one, and the next visit
 * takes over what has been fetched. Only URLs below this file's folder are touched.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const SCOPE = new URL("./", worker.location.href).href;
const CACHES = `${new URL(SCOPE).pathname}@`;
const STATE = new URL("state.json", SCOPE).href;

/** Pause before asking again for files that are being made, in milliseconds. */
const MAKING_MS = 2000;

/** Parts of the page that are kept beside its files, which `files.json` lists. */
const PAGE = ["./", "models/index.json"];

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(SCOPE)) event.respondWith(answer(event.request));
});

/**
 * Messages are `{keep: {model, graph}}` and `{clear: true}`, with a port for the result.
 *
 * @type {Promise<unknown>}
 */
let queue = Promise.resolve();
worker.addEventListener("message", (event) => {
  const { keep: wanted } = event.data;
  const done = queue.then(() => (wanted ? keep(wanted) : clear()));
  queue = done.catch(() => {});
  event.waitUntil(queue);
  done.then(
    (result) => event.ports[0].postMessage(result),
    async (error) => {
      const { bytes = 0, graphs = {} } = (await readState()) ?? {};
      const isMissing = !graphs[wanted?.model]?.includes(wanted.graph);
      const isFull = error.name === "QuotaExceededError";
      event.ports[0].postMessage({ bytes, isMissing, isFull });
    },
  );
});

async function answer(request) {
  const state = await readState();
  if (!state) return fetch(request);
  const [url] = request.url.split(/[?#]/);
  const cache = await caches.open(CACHES + state.version);
  const kept = await cache.match(url.replace(/\/index\.html$/, "/"), { ignoreVary: true });
  return kept ?? fetch(request);
}

/**
 * Keep a model's graph and all that was kept before, in the newest version.
 *
 * @returns {Promise<{bytes: number, isNew?: boolean}>} the size of all that is kept, and whether
 *   what the page runs was replaced
 */
async function keep({ model, graph }) {
  const previous = await readState();
  const graphs = { ...previous?.graphs };
  const isKept = graphs[model]?.includes(graph);
  if (isKept && navigator.connection?.saveData) return previous;
  graphs[model] = [...new Set([...(graphs[model] ?? []), graph])].sort();

  const list = await fetchWhole(new URL("files.json", SCOPE).href, { cache: "no-cache" });
  const files = await list.json();
  const changing = await Promise.all([...PAGE, ...files].map(fetchChanging));
  const index = changing.find(({ url }) => url.endsWith("/models/index.json"));
  const { models } = await index.response.clone().json();
  const fixed = new Set();
  for (const name of Object.keys(graphs).sort()) {
    if (!models.some((entry) => entry.name === name)) {
      delete graphs[name];
      continue;
    }
    const [file, info] = await fetchInfo(name, graphs[name]);
    changing.push(file);
    const entries = graphs[name].map((kept) => info.graphs[kept]);
    const urls = entries.flatMap(({ url, network, golden }) =>
      // What no kernel computes needs the runtime.
      [...(network ? [network.url] : [url, info.runtime.module, info.runtime.wasm]), golden.url],
    );
    for (const url of urls) {
      fixed.add(new URL(url, file.url).href);
    }
    const { samples } = models.find((entry) => entry.name === name);
    for (const { url, thumbnail } of samples) {
      fixed.add(new URL(url, SCOPE).href).add(new URL(thumbnail, SCOPE).href);
    }
  }

  const tags = Object.fromEntries(changing.map(({ url, tag }) => [url, tag]));
  const version = await hash(new TextEncoder().encode(JSON.stringify([tags, [...fixed]])));
  if (version === previous?.version) return previous;
  const cache = await caches.open(CACHES + version);
  let bytes = 0;
  try {
    for (const { url, response } of changing) bytes += await put(cache, url, response);
    for (const url of fixed) {
      // Their names are hashes, so any version's file is the same.
      const kept = await caches.match(url, { ignoreVary: true });
      bytes += await put(cache, url, kept ?? (await fetchWhole(url)));
    }
    await writeState({ version, graphs, tags, bytes });
  } catch (error) {
    if (error.name === "QuotaExceededError") await caches.delete(CACHES + version);
    throw error;
  }
  for (const name of await cacheNames()) {
    if (![CACHES, CACHES + version].includes(name)) await caches.delete(name);
  }
  const isNew = Object.entries(previous?.tags ?? {}).some(([url, tag]) => tags[url] !== tag);
  return { bytes, isNew };
}

/** Fetch a model's `model.json`, with the entries of graphs that are kept. */
async function fetchInfo(name, kept) {
  const path = `models/${name}/model.json`;
  const file = await fetchChanging(path);
  const info = await file.response.clone().json();
  if (kept.every((graph) => info.graphs[graph].golden)) return [file, info];
  // The server lists the full graph once its files have been made.
  await fetchWhole(new URL(`models/${name}/full.json`, SCOPE).href);
  const complete = await fetchChanging(path);
  return [complete, await complete.response.clone().json()];
}

/** Fetch a file that may change under its name, and hash it. */
async function fetchChanging(path) {
  const url = new URL(path, SCOPE).href;
  const response = await fetchWhole(url, { cache: "no-cache" });
  return { url, response, tag: await hash(await response.clone().arrayBuffer()) };
}

async function fetchWhole(url, options) {
  const response = await fetch(url, options);
  if (response.ok && !response.redirected) return response;
  // The owner has withdrawn the models: their cached files are deleted. Hosts that are down send
  // a 404 of another type.
  const isOurs = response.headers.get("content-type")?.startsWith("application/problem+json");
  if (isOurs && response.status === 404 && url.endsWith("/models/index.json")) await clear();
  if (isOurs && (await response.json()).code === "busy") {
    // A model's files are being made.
    await new Promise((resolve) => setTimeout(resolve, MAKING_MS));
    return fetchWhole(url, options);
  }
  throw new Error(`${url}: ${response.status}`);
}

async function put(cache, url, response) {
  const copy = response.clone();
  await cache.put(url, response);
  return (await copy.blob()).size;
}

async function hash(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .slice(0, 16);
}

/** Return what is kept: `{version, graphs, tags, bytes}`, or null. */
async function readState() {
  const kept = await (await caches.open(CACHES)).match(STATE);
  return kept ? kept.json() : null;
}

async function writeState(state) {
  await (await caches.open(CACHES)).put(STATE, new Response(JSON.stringify(state)));
}

async function cacheNames() {
  return (await caches.keys()).filter((name) => name.startsWith(CACHES));
}

async function clear() {
  for (const name of await cacheNames()) await caches.delete(name);
  return { bytes: 0 };
}
