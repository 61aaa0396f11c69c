// Leads to other pages without loading the app again: Streamlit follows the address as it follows
// Back. Before that, links load their pages; without a server, they lead to what this browser has
// kept, or say that there is nothing.
{
  const pages = document.getElementById("pages");
  const pathOf = ({ href }) => new URL(href, document.baseURI).pathname.replace(/\/$/, "");
  const update = () => {
    document.getElementById("title").textContent = document.title;
    const app = document.querySelector("[data-testid=stApp]");
    const first = document.getElementById("first-screen");
    pages.dataset.theme = app ? getComputedStyle(app).colorScheme : (first?.dataset.theme ?? "");
    for (const link of pages.children) {
      const name = location.pathname.split("/").pop();
      const isOwners = link.dataset.owner?.split(" ").includes(name);
      const isCurrent = pathOf(link) === pathOf(location) || isOwners === true;
      link.toggleAttribute("aria-current", isCurrent);
      if (isCurrent) link.setAttribute("aria-current", "page");
    }
    const isShown = (link) => link.ariaCurrent && link.checkVisibility();
    if ([...pages.children].some(isShown)) return;
    pages.querySelector("[href='./more']").ariaCurrent = "true";
  };
  pages.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain) return;
    event.preventDefault();
    if (pathOf(link) !== pathOf(location)) open(link);
  });
  const gone = document.getElementById("gone");
  const say = (text) => {
    gone.toggleAttribute("data-asked", text !== "");
    gone.textContent = text;
  };
  addEventListener("online", () => say(""));
  /** Whether the service worker has kept the pages of `device/`. Storage may be blocked. */
  const isKept = async () => {
    try {
      return Boolean(await caches.match(new URL("device/state.json", document.baseURI)));
    } catch {
      return false;
    }
  };
  // Streamlit knows its pages once the first one has begun to be drawn, after a placeholder; later,
  // pages may be empty.
  const DRAWN = "[data-test-script-state]:not([data-test-script-state=initial])";
  let isDrawn = false;
  const observer = new MutationObserver(() => {
    isDrawn = document.querySelector(`${DRAWN} [data-testid=stElementContainer]`) !== null;
    if (isDrawn) observer.disconnect();
  });
  observer.observe(document.getElementById("root"), { childList: true, subtree: true });
  const CONNECTED = "[data-test-connection-state=CONNECTED]";
  const open = async ({ href, dataset: { offline } }) => {
    if (navigator.onLine && isDrawn && document.querySelector(CONNECTED)) {
      history.pushState(null, "", href);
      return dispatchEvent(new PopStateEvent("popstate"));
    }
    const signal = AbortSignal.timeout(3000);
    // On a slow network, an answer may take longer.
    const assumed = ({ name }) => ({ ok: name === "TimeoutError" });
    const { ok } = await fetch("./_stcore/health", { signal }).catch(assumed);
    if (ok) return location.assign(href);
    if (offline && (await isKept())) return location.assign(offline);
    say("That page needs the server, which doesn’t answer.");
  };
  // Streamlit changes the address, and soon the title, without a popstate event.
  if ("navigation" in globalThis) navigation.addEventListener("currententrychange", update);
  else addEventListener("popstate", update);
  new MutationObserver(update).observe(document.querySelector("title"), { childList: true });
  addEventListener("resize", update);
  // Streamlit follows the system's theme, too.
  matchMedia("(prefers-color-scheme: dark)").onchange = () => setTimeout(update, 500);
  update();
}
