/* global VISIT */
// Loads the page's modules: each separately, compiled once and started 0.5 s sooner at later visits,
// or, over a slow connection without HTTP/2, all in one file: a hundred would take 17 round trips.
{
  const { bundle, start, modules } = VISIT;
  const add = (name, values) => {
    document.head.append(Object.assign(document.createElement(name), values));
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
  if (!/^h[23]/.test(nextHopProtocol) && roundTrip > 150) {
    // Another replica may not have this file: Streamlit then sends its page, with status 200.
    const onend = () => "runBundle" in window || loadEach();
    const events = { onload: onend, onerror: onend };
    add("script", { src: bundle, async: false, fetchPriority: "high", ...events });
  } else {
    loadEach();
  }
}
