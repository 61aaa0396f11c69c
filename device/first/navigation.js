// Leads to other pages without loading the app again: Streamlit follows the address as it follows
// Back. Until it has come, the links are plain ones.
{
  const pages = document.getElementById("pages");
  const pathOf = ({ href }) => new URL(href, document.baseURI).pathname.replace(/\/$/, "");
  const heading = document.getElementById("title");
  const update = () => {
    heading.textContent = document.title;
    const app = document.querySelector("[data-testid=stApp]");
    const first = document.getElementById("first-screen");
    pages.dataset.theme = app ? getComputedStyle(app).colorScheme : (first?.dataset.theme ?? "");
    for (const link of pages.children) {
      const isCurrent = pathOf(link) === pathOf(location);
      link.toggleAttribute("aria-current", isCurrent);
      if (isCurrent) link.setAttribute("aria-current", "page");
    }
  };
  pages.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain) return;
    if (!navigator.onLine && link.dataset.offline) {
      event.preventDefault();
      location.assign(link.dataset.offline);
    } else if (document.querySelector("[data-test-connection-state=CONNECTED]")) {
      event.preventDefault();
      if (pathOf(link) === pathOf(location)) return;
      history.pushState(null, "", link.href);
      dispatchEvent(new PopStateEvent("popstate"));
    }
  });
  // Streamlit changes the address, and soon the title, without a popstate event.
  globalThis.navigation?.addEventListener("currententrychange", update);
  new MutationObserver(update).observe(document.querySelector("title"), { childList: true });
  // Streamlit follows the system's theme, too.
  matchMedia("(prefers-color-scheme: dark)").onchange = () => setTimeout(update, 500);
  addEventListener("popstate", update);
  update();
}
