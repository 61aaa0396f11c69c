/** The page "Teach": your own model, made on this device. */

import { fetchMade } from "./engine/download.mjs";
import { mountTeach } from "./view/teach.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

/** The base, where the app has it: it knows most. */
const BASE = "imagenet";

const $ = (id) => document.getElementById(id);

/** Return the name of the first model that can be taught. */
async function findBase() {
  const fetchJson = async (url) => (await fetchMade(url, say)).json();
  const { models } = await fetchJson("models/index.json");
  const first = ({ name }) => (name === BASE ? 0 : 1);
  for (const { name } of models.toSorted((a, b) => first(a) - first(b))) {
    const { graphs } = await fetchJson(`models/${name}/model.json`);
    if (graphs.small?.features) return name;
  }
  throw new Error("This app has no model that can be taught new labels on your device.");
}

/** Have the service worker keep the base, so that the page works without a network. */
async function keep(model) {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("service-worker.js");
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ keep: { model, graph: "small" } }, [new MessageChannel().port2]);
  } catch {
    // Private windows and other sites' frames may allow no service worker.
  }
}

function say(text) {
  $("failure").hidden = !text;
  $("error").textContent = text;
}

$("stuck").remove();
followTheme(document.documentElement);
try {
  const base = await findBase();
  say("");
  mountTeach($("teach"), {
    address: `models/${base}/`,
    onReady: () => keep(base),
    prefix: "device",
    above: "var(--header, 0px)",
    back: "./",
    onUse: (name) => location.assign(`./?model=${encodeURIComponent(name)}`),
  });
} catch (error) {
  say(error.message);
}
