// Fits the first screen to the window and to Streamlit's theme, and removes it once there is
// something to use in its place: the viewfinder, another page or a message.
{
  const first = document.getElementById("first-screen");
  const page = location.pathname;
  const isDesk = matchMedia("(min-width: 56.25rem)").matches;
  const isSideways = innerHeight < 500 && innerWidth > innerHeight;
  const view = first.shadowRoot?.querySelector(".first");
  if (view) view.dataset.layout = isDesk ? "desk" : isSideways ? "sideways" : "phone";
  const headline = view?.querySelector(".first-headline");
  if (headline && isDesk) headline.textContent = headline.dataset.desk;
  try {
    const theme = localStorage.getItem(`stActiveTheme-${page}-v2`) ?? "";
    const [chosen] = theme.toLowerCase().match(/light|dark/) ?? [];
    if (chosen) first.dataset.theme = chosen;
  } catch {
    // A browser may keep nothing.
  }
  const others = ["Exception", "Alert", "FileUploader", "CameraInput", "Dialog"];
  const other = others.map((name) => `[data-testid=st${name}]`).join();
  const observer = new MutationObserver(() => {
    if (location.pathname !== page || document.querySelector(other)) remove();
  });
  const remove = () => {
    observer.disconnect();
    first.remove();
  };
  // Until Streamlit loads, keep the place of its header covered.
  const leave = () => {
    if (!document.getElementById("early")) return remove();
    view?.remove();
    first.shadowRoot.querySelector(".first-chip")?.remove();
    Object.assign(first.style, { insetBlockEnd: "auto", height: "3.75rem", zIndex: 999 });
    addEventListener("placed", remove, { once: true });
  };
  observer.observe(document.body, { childList: true, subtree: true });
  addEventListener("viewfinder", leave, { once: true });
  setTimeout(() => document.getElementById("early") || remove(), 60_000);
}
