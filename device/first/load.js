/* global VISIT */
// Loads the page's files: first the viewfinder, in one file, then Streamlit's modules, once it can be
// used. Those come each separately, compiled once and started 0.5 s sooner at later visits, or, over
// a slow connection without HTTP/2, all in one file: a hundred would take 17 round trips.
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
    // Browsers of before 2025 refuse a second import map, and so the bundle.
    const map = { type: "importmap", textContent: "{}" };
    let isRefused = false;
    add("script", { ...map, onerror: () => (isRefused = true) });
    setTimeout(() => {
      if (isRefused) return loadEach();
      globalThis.hasBundle = false;
      // Another replica may not have this file: Streamlit then sends its page, with status 200.
      return addScript(bundle, () => globalThis.hasBundle || loadEach());
    }, 30);
  };
  if (document.getElementById("page-data")) {
    addEventListener("viewfinder", loadStreamlit, { once: true });
    addScript(early, () => globalThis.hasBundle || loadStreamlit());
    setTimeout(loadStreamlit, 8000);
  } else {
    loadStreamlit();
    addScript(early);
  }
}
