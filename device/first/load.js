/* global VISIT */
// Loads the viewfinder in one file and, once it is usable, Streamlit's modules. These load one by
// one, so that the browser caches their compiled code and later visits start 0.5 s sooner. Over a
// slow connection without HTTP/2 they load in one file: 63 would take eleven round trips.
{
  const { early, bundle, start, modules, sheet } = VISIT;
  const add = (name, values) => {
    document.head.append(Object.assign(document.createElement(name), values));
  };
  const addScript = (src, onend) => {
    const events = { onload: onend, onerror: onend };
    add("script", { src, async: false, ...events });
  };
  const loadEach = () => {
    const crossOrigin = "anonymous";
    for (const href of modules) add("link", { rel: "modulepreload", href, crossOrigin });
    add("script", { type: "module", src: start, crossOrigin });
  };
  // Browsers that hide their timings have no entry.
  const [{ nextHopProtocol, requestStart, responseStart } = {}] =
    performance.getEntriesByType("navigation");
  const roundTrip = Math.max(responseStart - requestStart, navigator.connection?.rtt ?? 0);
  const isSlow = !/^h[23]/.test(nextHopProtocol) && roundTrip > 150;
  let isBegun = false;
  const loadStreamlit = () => {
    if (isBegun) return;
    isBegun = true;
    add("link", { rel: "stylesheet", href: sheet });
    if (!isSlow) return loadEach();
    // Browsers from before 2025 reject a second import map, which the bundle needs.
    const map = { type: "importmap", textContent: "{}" };
    let isRefused = false;
    add("script", { ...map, onerror: () => (isRefused = true) });
    setTimeout(() => {
      if (isRefused) return loadEach();
      // A replica without this file sends Streamlit's page instead, with status 200.
      return addScript(bundle, () => globalThis.lastBundle === start || loadEach());
    }, 30);
  };
  if (document.getElementById("page-data")) {
    addEventListener("viewfinder", loadStreamlit, { once: true });
    addScript(early, () => globalThis.lastBundle || loadStreamlit());
    setTimeout(loadStreamlit, 8000);
  } else {
    loadStreamlit();
    addScript(early);
  }
}
