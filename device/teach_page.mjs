/** The page "Teach": your own model, made on this device. */

import { mountTeach } from "./view/teach.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";

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

document.getElementById("stuck").remove();
followTheme(document.documentElement);
mountTeach(document.getElementById("teach"), {
  folder: "./",
  above: "var(--header, 0px)",
  back: "./",
  onReady: keep,
  onUse: (name) => location.assign(`./?model=${encodeURIComponent(name)}`),
});
