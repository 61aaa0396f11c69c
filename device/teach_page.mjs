/** The page "Teach": your own model, made on this device. */

import { findBase } from "./base_model.mjs";
import { mountTeach } from "./view/teach.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

const FOLDER = new URL("./", document.baseURI);

const $ = (id) => document.getElementById(id);

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
  const { address, name: base } = await findBase(FOLDER.href, say);
  say("");
  mountTeach($("teach"), {
    address,
    onReady: () => keep(base),
    prefix: FOLDER.pathname,
    above: "var(--header, 0px)",
    back: "./",
    onUse: (name) => location.assign(`./?model=${encodeURIComponent(name)}`),
  });
} catch (error) {
  say(error.message);
}
