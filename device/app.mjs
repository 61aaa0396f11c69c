/**
 * The page: the viewfinder with a model on this device, and what the browser keeps.
 *
 * Text from models and photos is only ever set as text.
 */

import { fetchMade } from "./engine/download.mjs";
import { phraseError } from "./engine/errors.mjs";
import { formatBytes } from "./view/disclosure.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";
import { openVisit } from "./visit/open_visit.mjs";
import { callServiceWorker } from "./visit/service_worker.mjs";

const WORKS = "It works without a network.";
const NOT_KEPT = "This model isn’t kept, so it needs the network.";
const FULL = "There is no room for more, so this model answers from memory.";

const $ = (id) => document.getElementById(id);

/** @type {NodeListOf<HTMLInputElement>} */
const graphInputs = document.querySelectorAll("[name=graph]");

/** @type {Visit} */
let visit;
let view;
/** Name of the model that the page describes. */
let shown = "";
/** Models that couldn't be opened, until one could. */
let failed = [];
/** True if a newer version of the page exists; another model then needs a reload. */
let isOutdated = false;
/** False once the visitor has removed the kept files. */
let mayKeep = true;

async function start() {
  $("stuck").remove();
  followTheme(document.documentElement);
  try {
    const { models, note } = await fetchJson("models/index.json");
    if (!models.length) throw new Error("This app has no model that can run on your device.");
    $("note").textContent = note ?? "";
    open(models);
  } catch (error) {
    fail(error, () => location.reload());
  }
}

function open(models) {
  /** @returns {Host} */
  const host = () => ({
    prefix: "device",
    folder: "./",
    models: models.map((model) => ({ ...model, downloads: true })),
    model: (models.find((model) => model.default) ?? models[0]).name,
    run: "device",
    graph: graphInputs[0].checked ? "small" : "full",
    ...{ engine: null, api: null, server: null, limits: null },
    recent: "session",
    top: 5,
    hasLinks: false,
    onReady: (folder) => keep({ keep: { model: folder, graph: host().graph } }),
  });
  visit = openVisit(host());
  view = mountViewfinder($("viewfinder"), visit, {
    onDraw: () => visit.identifier.model !== shown && describe(visit.identifier.model),
    onWhere() {
      $("device").setAttribute("open", "");
      $("settings").scrollIntoView();
    },
    async onRetry() {
      // The cached copy may be the damaged one.
      if (visit.identifier.state.code === "bundle-damaged") await keep({ clear: true });
      visit.identifier.start();
    },
  });
  for (const input of graphInputs) input.onchange = () => visit.update(host());
}

async function fetchJson(url) {
  const response = await fetchMade(url, say);
  return response.json();
}

/**
 * Describe the model in use. If the first one's files can't be read, fall back to the app's default
 * model, then to one that is kept.
 */
async function describe(name) {
  const folder = visit.models.baseOf(name);
  if (shown && isOutdated && folder !== visit.models.baseOf(shown)) {
    // Wait until the address names the model.
    await null;
    return location.reload();
  }
  shown = name;
  try {
    const { graphs } = await fetchJson(`models/${folder}/model.json`);
    if (visit.identifier.model !== name) return undefined;
    failed = null;
    say("");
    const sizeOf = (graph) => formatBytes((graph.network ?? graph).bytes);
    $("small-size").textContent = sizeOf(graphs.small);
    $("full-size").textContent = graphs.full.golden ? `: ${sizeOf(graphs.full)}` : "";
  } catch (error) {
    if (visit.identifier.model !== name) return undefined;
    failed?.push(name);
    const others = [visit.host.model, await findKept()];
    const model = failed && others.find((other) => other && !failed.includes(other));
    if (model) {
      view.update({ notice: phraseError(error, error.message) });
      return visit.send({ type: "chosen", model });
    }
    return fail(error, () => describe(name));
  }
  const { title, language } = visit.models.all.find((model) => model.name === name);
  document.title = `${title}: Loupe on this device`;
  $("title").textContent = title;
  $("title").lang = language;
  $("settings").hidden = false;
  return undefined;
}

/** Return the name of a model that the service worker has kept, if any. */
async function findKept() {
  try {
    const state = await caches.match(new URL("state.json", location.href));
    return Object.keys((await state.json()).graphs)[0];
  } catch {
    // Nothing is kept, or storage is blocked.
    return undefined;
  }
}

function say(text) {
  $("failure").hidden = !text;
  $("error").textContent = text;
  $("retry").hidden = true;
}

function fail(error, again) {
  say(phraseError(error, error.message));
  $("retry").hidden = false;
  $("retry").onclick = again;
}

/** Have the service worker keep what was loaded, or remove it; show what is kept. */
async function keep(message) {
  if (!mayKeep) return;
  if (!isSecureContext) {
    $("kept").textContent = "This page isn’t on https, so no model is kept on this device.";
    return;
  }
  const { bytes, isNew, isMissing, isFull } = (await callServiceWorker(message)) ?? { bytes: 0 };
  isOutdated ||= Boolean(isNew);
  const parts = bytes
    ? [`Kept on this device: ${formatBytes(bytes)}.`, isMissing ? NOT_KEPT : WORKS]
    : ["No model is kept on this device."];
  if (isMissing && isFull) parts.push(FULL);
  if (isNew) parts.push("A newer version is here: the next visit uses it.");
  if (message.clear) parts.push("The next visit loads and keeps it again.");
  $("kept").textContent = parts.join(" ");
  $("keeping").hidden = !bytes;
}

$("clear").onclick = () => {
  keep({ clear: true });
  // At once: a model may become ready meanwhile.
  mayKeep = false;
};

await start();
