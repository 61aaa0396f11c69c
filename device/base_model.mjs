/** The model whose features are used to teach. */

import { fetchMade } from "./engine/download.mjs";
import { LoupeError } from "./engine/errors.mjs";

/** The built-in one, where the app has it: it knows most. */
const PREFERRED = "imagenet";

/**
 * Return the address of the folder of the first model that can be taught.
 *
 * @param {string} folder address of `device/`
 * @param {(text: string) => void} say shows what is waited for
 */
export async function findBase(folder, say) {
  const fetchJson = async (path) => (await fetchMade(new URL(path, folder).href, say)).json();
  const { models } = await fetchJson("models/index.json");
  const rank = ({ name }) => (name === PREFERRED ? 0 : 1);
  for (const { name } of models.toSorted((a, b) => rank(a) - rank(b))) {
    const { graphs } = await fetchJson(`models/${name}/model.json`);
    if (graphs.small?.features) return new URL(`models/${name}/`, folder).href;
  }
  const none = "This app has no model that can be taught new labels on your device.";
  throw new LoupeError("no-such-model", none);
}
