/**
 * Starts the download of the model that opens, while the page's own modules still load. The page
 * then uses its worker; see `DeviceModel`.
 */

import { preferredKernels, ModelWorker } from "./engine/model_worker.mjs";

/** Return a JSON file below the page; throws if the server is still making it. */
async function fetchJson(path) {
  const response = await fetch(path, { cache: "no-cache" });
  if (!response.ok) throw new Error(path);
  return response.json();
}

async function findModel() {
  const name = new URLSearchParams(location.search).get("model");
  if (name) return name;
  const { models } = await fetchJson("models/index.json");
  return models.find((model) => model.default).name;
}

try {
  const worker = (ModelWorker.started = new ModelWorker());
  const folder = `models/${encodeURIComponent(await findModel())}/`;
  const model = await fetchJson(`${folder}model.json`);
  const address = new URL(folder, document.baseURI).href;
  const values = { address, graph: "small", kernels: preferredKernels(), model };
  // By now the page may have asked for another model.
  if (ModelWorker.started) worker.send("load", /** @type {any} */ (values)).catch(() => {});
} catch {
  // The page says what is wrong.
}
