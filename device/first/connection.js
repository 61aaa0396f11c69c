// Says that the server doesn't answer: on the first screen, and on pages without the viewfinder,
// which says so itself. Streamlit's own dialog tells visitors to run Streamlit.
{
  // As in view/streamlit_component.mjs. At first, a slow connection takes some seconds to connect.
  const STATE = "data-test-connection-state";
  const [FIRST_MS, GRACE_MS] = [10_000, 1500];
  const bar = document.getElementById("gone");
  const say = (isGone) => {
    const app = document.querySelector(`[${STATE}]`);
    bar.dataset.theme = app ? getComputedStyle(app).colorScheme : "";
    delete bar.dataset.asked;
    bar.textContent = isGone ? "The server doesn’t answer. Trying again…" : "";
    const loading = document.getElementById("first-screen")?.shadowRoot?.querySelector(".late");
    if (loading) loading.textContent = bar.textContent || "Loading the app…";
  };
  let grace = FIRST_MS;
  let timer;
  new MutationObserver(([{ target }]) => {
    if (target.getAttribute(STATE) === "CONNECTED") {
      grace = GRACE_MS;
      clearTimeout(timer);
      timer = null;
      say(false);
    } else {
      timer ??= setTimeout(say, grace, true);
    }
  }).observe(document.body, { subtree: true, attributeFilter: [STATE] });
}
