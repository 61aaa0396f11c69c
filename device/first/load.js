/* global VISIT */
// Loads the viewfinder in one file and, once it is usable, Streamlit's modules. These load one by
// one, so that the browser caches their compiled code and later visits start 0.5 s sooner. Over a
// slow connection without HTTP/2 they load in one file: 63 would take eleven round trips.
{
  const { early, bundle, start, modules, chart, sheet } = VISIT;
  const add = (name, values) => {
    document.head.append(Object.assign(document.createElement(name), values));
  };
  const addScript = (src, onend) => {
    const events = { onload: onend, onerror: onend };
    add("script", { src, async: false, ...events });
  };
  const crossOrigin = "anonymous";
  const preload = (hrefs) => {
    for (const href of hrefs) add("link", { rel: "modulepreload", href, crossOrigin });
  };
  const addSheet = (rel) => add("link", { rel, as: "style", href: sheet });
  const loadEach = () => {
    addSheet("stylesheet");
    preload(modules);
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
    if (!isSlow) return loadEach();
    // Applied with the modules: its fonts would delay them by a second.
    addSheet("preload");
    // Browsers from before 2025 reject a second import map, which the bundle needs.
    const map = { type: "importmap", textContent: "{}" };
    let isRefused = false;
    add("script", { ...map, onerror: () => (isRefused = true) });
    setTimeout(() => {
      if (isRefused) return loadEach();
      return addScript(bundle, () => {
        // A replica without this file sends Streamlit's page instead, with status 200.
        if (globalThis.lastBundle === start) addSheet("stylesheet");
        else loadEach();
        // Streamlit asks for these modules three round trips later.
        if (new URLSearchParams(location.search).has("answer")) preload(chart);
      });
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
