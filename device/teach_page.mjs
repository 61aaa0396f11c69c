/** The page "Teach": your own model, made on this device. */

import { mountTeach } from "./view/teach.mjs";
import { followTheme } from "./view/viewfinder_parts.mjs";
import { callServiceWorker } from "./visit/service_worker.mjs";

document.getElementById("stuck").remove();
followTheme(document.documentElement);
mountTeach(document.getElementById("teach"), {
  folder: "./",
  above: "var(--header, 0px)",
  back: "./",
  // So that the page works without a network.
  onReady: (model) => callServiceWorker({ keep: { model, graph: "small" } }),
  onUse: (name) => location.assign(`./?model=${encodeURIComponent(name)}`),
});
