/**
 * The page: a photo by camera, file, paste or drop; its answer; what is kept on the device.
 *
 * Text from models and photos is only ever set as text.
 */

import { load } from "./loupe.mjs";
import {
  certaintyRule,
  formatPercent,
  headline,
  honestLines,
  isSure,
  labelElement,
  showPhrase,
} from "./phrasing.mjs";

const $ = (id) => document.getElementById(id);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

let model = null;
/** The newest photo; it waits here while a model loads. */
let photo = null;
/** Count models and photos, so that what comes late for a former one is dropped. */
let opened = 0;
let asked = 0;
/** This page is of the former version, so another model needs a reload. */
let isOutdated = false;
/** Until the visitor removes what is kept. */
let mayKeep = true;

async function start() {
  $("stuck").remove();
  $("error").textContent = "";
  $("retry").hidden = true;
  listenForPhotos();
  try {
    const { models } = await fetchJson("models/index.json");
    if (!models.length) throw new Error("This app has no model that runs on your device.");
    $("models").replaceChildren(...models.map(({ name, title }) => new Option(title, name)));
    $("choice").hidden = models.length < 2;
    const wanted = new URLSearchParams(location.search).get("model");
    const chosen =
      models.find(({ name }) => name === wanted) ?? models.find((entry) => entry.default);
    $("models").value = (chosen ?? models[0]).name;
  } catch (error) {
    return fail(error, () => location.reload());
  }
  $("models").onchange = $("settings").onchange = ({ target }) => {
    if (target.name !== "graph" && target !== $("models")) return;
    const query = `?model=${$("models").value}`;
    if (isOutdated) location.search = query;
    else history.replaceState(null, "", query);
    open();
  };
  await open();
}

/** Return a JSON file; wait while the app is making it. */
async function fetchJson(url) {
  for (;;) {
    const response = await fetch(url, { cache: "no-cache" }).catch(() => {
      throw new Error("There is no network, and this model isn't kept on this device.");
    });
    if (response.ok) return response.json();
    const { code, detail } = await response.json().catch(() => ({}));
    if (code !== "busy") throw new Error(detail ?? `The app answers ${response.status}.`);
    showProgress(detail);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

/** Load the chosen model and graph, and identify the photo that waits. */
async function open() {
  const turn = ++opened;
  const name = $("models").value;
  const graph = document.querySelector("[name=graph]:checked").value;
  model?.close();
  model = null;
  $("answer").hidden = $("retry").hidden = true;
  $("error").textContent = "";
  showProgress("Loading the model…");
  try {
    const info = await fetchJson(`models/${name}/model.json`);
    if (turn !== opened) return;
    describe(info);
    const onProgress = (loaded, total) => {
      if (turn !== opened) return;
      const isWhole = loaded >= total;
      const text = `Loading the model: ${megabytes(loaded)} of ${megabytes(total)}`;
      showProgress(isWhole ? "Testing the model…" : text, loaded / total);
    };
    const loaded = await load(`models/${name}/`, { graph, onProgress });
    if (turn !== opened) return loaded.close();
    model = loaded;
  } catch (error) {
    const retry = async () => {
      // What is kept may be what is damaged.
      if (error.code === "bundle-damaged") await keep({ clear: true });
      await open();
    };
    if (turn === opened) fail(error, retry);
    return;
  }
  $("loading").hidden = true;
  if (photo) identify(photo);
  await keep({ keep: { model: name, graph } });
}

function describe({ title, labels, language, words, graphs }) {
  document.title = `${title}: Loupe on this device`;
  $("title").textContent = title;
  $("title").lang = language;
  const shown = labels.slice(0, labels.length > 4 ? 3 : 4);
  const rest = labels.length - shown.length;
  const parts = shown.flatMap((label, index) => [index ? ", " : "", labelElement(label, language)]);
  const things = labels.length === 1 ? "one thing" : `${words.things} things`;
  const more = rest ? ` and ${rest.toLocaleString("en")} more` : "";
  const beginning = `Point your phone at something. This model knows ${things}: `;
  $("knows").replaceChildren(beginning, ...parts, `${more}.`);
  for (const graph of ["small", "full"]) {
    $(`${graph}-size`).textContent = megabytes(graphs[graph].bytes);
  }
  $("settings").hidden = false;
}

function showProgress(text, share) {
  $("loading").hidden = false;
  $("progress-text").textContent = photo ? `${text} Your photo is next.` : text;
  if (share === undefined) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

function listenForPhotos() {
  $("file").onchange = ({ target }) => {
    take(target.files);
    target.value = "";
  };
  document.onpaste = ({ clipboardData }) =>
    take(clipboardData.files, "There is no photo in the clipboard.");
  document.ondragover = (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  document.ondragleave = () => document.body.classList.remove("dropping");
  document.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files, "That was no file. Save the photo first, then drop it here.");
  };
}

function take(files, otherwise) {
  if (files.length) identify(files[0]);
  else if (otherwise) fail(new Error(otherwise));
}

/** Show a photo and its answer. */
async function identify(blob) {
  const turn = ++asked;
  photo = blob;
  $("error").textContent = "";
  $("answer").hidden = true;
  URL.revokeObjectURL($("picture").src);
  $("picture").src = URL.createObjectURL(blob);
  $("picture").hidden = false;
  if (!model) return;
  try {
    const { info } = model;
    const prediction = await model.identify(blob);
    if (turn === asked) show(info, prediction);
  } catch (error) {
    if (turn !== asked) return;
    $("picture").hidden = true;
    photo = null;
    fail(error);
  }
}

function show(info, prediction) {
  const { answer, candidates, graph, milliseconds, plausible, version } = prediction;
  const isUnknown = certaintyRule(info, prediction).certainty === "unknown";
  $("answer").hidden = false;
  showPhrase($("headline"), headline(info, prediction), info.language);
  $("headline").classList.toggle("doubt", isUnknown);
  $("lines").replaceChildren(
    ...honestLines(info, prediction).map((line) => {
      const paragraph = document.createElement("p");
      showPhrase(paragraph, line, info.language);
      return paragraph;
    }),
  );
  const named = new Set(plausible?.length ? plausible : [answer].flat());
  // A share among labels that all are wrong says nothing.
  $("chart").hidden = isUnknown;
  $("chart").classList.toggle("doubt", !isSure(info, prediction));
  $("bars").replaceChildren(...candidates.map((candidate) => row(info, candidate, named)));
  const time = milliseconds.total < 1 ? "under 1" : milliseconds.total.toFixed(0);
  $("source").textContent = `On this device in ${time} ms · ${graph} graph · ${info.name} ${version}`;
}

/** Return a row of the chart: label, bar, percentage. */
function row(info, { label, probability }, named) {
  const line = document.createElement("tr");
  line.classList.toggle("named", named.has(label));
  const head = document.createElement("th");
  head.scope = "row";
  head.append(labelElement(label, info.language));
  const bar = document.createElement("i");
  bar.style.width = `${probability * 100}%`;
  line.append(head);
  line.insertCell().append(bar);
  line.insertCell().textContent = formatPercent(info, probability);
  return line;
}

function fail(error, again) {
  $("loading").hidden = $("answer").hidden = true;
  $("error").textContent = error.message;
  $("retry").hidden = !again;
  $("retry").onclick = again;
}

/** Have the service worker keep what was loaded, or remove it; show what is kept. */
async function keep(message) {
  if (!mayKeep) return;
  if (!isSecureContext) {
    $("kept").textContent = "This page isn't on https, so nothing is kept on this device.";
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
  const { bytes, isNew, isFull } = result;
  isOutdated ||= Boolean(isNew);
  const parts = bytes
    ? [`Kept on this device: ${megabytes(bytes)}. It works without a network.`]
    : ["Nothing is kept on this device."];
  if (isFull) parts.push("There is no room for more, so this model answers from memory.");
  if (isNew) parts.push("A newer version is here: the next visit uses it.");
  if (message.clear) parts.push("The next visit loads and keeps it again.");
  $("kept").textContent = parts.join(" ");
  $("keeping").hidden = !bytes;
  if (bytes) showPersistence(await navigator.storage.persisted());
}

/** Show whether the browser may remove what is kept; a page can't take the promise back. */
function showPersistence(isPersistent) {
  $("persist").checked = $("persist").disabled = isPersistent;
}

$("persist").onchange = async () => {
  const isPersistent = await navigator.storage.persist();
  showPersistence(isPersistent);
  if (!isPersistent) $("kept").textContent += " This browser doesn't promise to keep it.";
};
$("clear").onclick = async () => {
  await keep({ clear: true });
  mayKeep = false;
};

await start();
