/** The page "Teach": your own model, made on this device. */

import { fetchMade } from "./engine/download.mjs";
import { mountTeach } from "./view/teach.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

/** The base, where the app has it: it knows most. */
const BASE = "imagenet";

const $ = (id) => document.getElementById(id);

/** Return the folder of the first model that can be taught. */
async function findBase() {
  const fetchJson = async (url) => (await fetchMade(url, say)).json();
  const { models } = await fetchJson("models/index.json");
  const first = ({ name }) => (name === BASE ? 0 : 1);
  for (const { name } of models.toSorted((a, b) => first(a) - first(b))) {
    const { graphs } = await fetchJson(`models/${name}/model.json`);
    if (graphs.small?.features) return `models/${name}/`;
  }
  throw new Error("This app has no model that can be taught new labels on your device.");
}

function say(text) {
  $("failure").hidden = !text;
  $("error").textContent = text;
}

$("stuck").remove();
followTheme(document.documentElement);
try {
  const address = await findBase();
  say("");
  mountTeach($("teach"), {
    address,
    prefix: "device",
    above: "var(--header, 0px)",
    back: "./",
    onUse: (name) => location.assign(`./?model=${encodeURIComponent(name)}`),
  });
} catch (error) {
  say(error.message);
}
