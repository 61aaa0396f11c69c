/**
 * The page: the viewfinder with a model on this device, and what the browser keeps.
 *
 * Text from models and photos is only ever set as text.
 */

import { fetchMade } from "./engine/download.mjs";
import { createIdentifier } from "./view/identifier.mjs";
import { phraseError } from "./engine/errors.mjs";
import { formatBytes } from "./view/disclosure.mjs";
import { ELSEWHERE, openMadeHere } from "./view/made_here.mjs";
import { openRecents } from "./view/recents.mjs";
import { mountViewfinder } from "./view/viewfinder.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

const DELETED = "The model that was in use here was deleted. Another one answers now.";

const WORKS = "It works without a network.";
const NOT_KEPT = "This model isn’t kept, so it needs the network.";
const FULL = "There is no room for more, so this model answers from memory.";

const $ = (id) => document.getElementById(id);

/** @type {NodeListOf<HTMLInputElement>} */
const graphInputs = document.querySelectorAll("[name=graph]");

/** The app's models. */
let appModels = [];
/** Those that were made on this device. */
const madeHere = openMadeHere("./", followMadeHere);
const allModels = () => [...appModels, ...madeHere.entries];
/** Photos of this tab, until it is closed. */
const recents = openRecents({ prefix: "device" });
let view = null;
let identifier = null;
/** Name of the model in use, or of the one that is being opened. */
let shown = "";
/** Said until another model is chosen. */
let notice = "";
/** Counts models, so that late results of a previous one are dropped. */
let opened = 0;
/** True if a newer version of the page exists; another model then needs a reload. */
let isOutdated = false;
/** False once the visitor has removed the kept files. */
let mayKeep = true;

async function start() {
  $("stuck").remove();
  followTheme(document.documentElement);
  try {
    const index = await fetchJson("models/index.json");
    appModels = index.models;
    if (!appModels.length) throw new Error("This app has no model that runs on your device.");
    $("note").textContent = index.note ?? "";
    await madeHere.ready;
  } catch (error) {
    return fail(error, () => location.reload());
  }
  const wanted = new URLSearchParams(location.search).get("model");
  const chosen = allModels().find(({ name }) => name === wanted);
  if (!chosen && wanted?.startsWith("taught-")) notice = ELSEWHERE;
  for (const input of graphInputs) input.onchange = () => open(shown);
  await open((chosen ?? defaultModel()).name);
}

const defaultModel = () => appModels.find((entry) => entry.default) ?? appModels[0];

/** Show the models that are left; where the one in use was deleted, go back to the app's own. */
function followMadeHere() {
  if (!view) return;
  if (allModels().some(({ name }) => name === shown)) view.update({ models: allModels() });
  else choose(defaultModel().name, DELETED);
}

/** `reason` is said until another model is chosen. */
function choose(name, reason = "") {
  notice = reason;
  const query = `?model=${name}`;
  if (isOutdated) location.search = query;
  else history.replaceState(null, "", query);
  open(name);
}

/** Return a JSON file; wait while the app is making it. */
async function fetchJson(url) {
  const response = await fetchMade(url, say);
  return response.json();
}

/** Load a model with the chosen graph, and show it in the viewfinder. */
async function open(name) {
  const turn = ++opened;
  shown = name;
  const taught = madeHere.models.get(name);
  const graph = graphInputs[0].checked || taught ? "small" : "full";
  // Your model runs on its base.
  const folder = madeHere.baseOf(name) ?? name;
  try {
    const info = await fetchJson(`models/${folder}/model.json`);
    if (turn !== opened) return;
    say("");
    if (taught) Object.assign(info, { name, title: taught.manifest.title, language: "und" });
    describe(info);
    identifier?.close();
    identifier = createIdentifier({ address: `models/${folder}/`, run: "device", graph, taught });
    let isKeeping = false;
    identifier.onchange = () => {
      if (identifier.state.device !== "ready" || isKeeping) return;
      isKeeping = true;
      keep({ keep: { model: folder, graph } });
    };
    identifier.start();
    show(info);
  } catch (error) {
    if (turn !== opened) return;
    // Before a model is shown, there is no menu.
    if (view || name === defaultModel().name) fail(error, () => open(name));
    else choose(defaultModel().name, phraseError(error, error.message));
  }
}

function show(info) {
  const models = allModels();
  const { knows, samples } = models.find(({ name }) => name === info.name);
  const line = ["This model knows ", ...knows, "."];
  const options = {
    identifier,
    models,
    model: info.name,
    notice,
    teach: "teach.html",
    samples,
    recents,
    above: "0px",
    what: { headline: "Point your phone at something", line, language: info.language },
    onModel: (name) => choose(name),
    onDelete: () => madeHere.askToDelete($("viewfinder"), info.name),
    onWhere() {
      $("device").setAttribute("open", "");
      $("settings").scrollIntoView();
    },
    async onRetry() {
      // The cached copy may be the damaged one.
      if (identifier.state.code === "bundle-damaged") await keep({ clear: true });
      await open(info.name);
    },
  };
  if (view) {
    view.update(options);
    view.identifyAgain();
  } else view = mountViewfinder($("viewfinder"), options);
}

function describe({ title, language, graphs }) {
  document.title = `${title}: Loupe on this device`;
  $("title").textContent = title;
  $("title").lang = language;
  for (const graph of ["small", "full"]) {
    $(`${graph}-size`).textContent = formatBytes(graphs[graph].bytes);
  }
  $("settings").hidden = false;
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
  let result;
  try {
    await navigator.serviceWorker.register("service-worker.js");
    const { active } = await navigator.serviceWorker.ready;
    result = await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => resolve(data);
      active.postMessage(message, [port2]);
    });
  } catch {
    // Private windows and other sites' frames may allow no service worker.
    result = { bytes: 0 };
  }
  const { bytes, isNew, isMissing, isFull } = result;
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
