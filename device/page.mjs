/** Shows the viewfinder from data in the page's HTML, before Streamlit loads. */

import { showEarly } from "./streamlit.mjs";

const element = document.getElementById("page-data");
if (element) {
  // The server doesn't know the path prefix that a proxy adds.
  const base = new URL(".", location.href).pathname;
  const isAddress = (name) => ["base", "url", "thumbnail"].includes(name);
  const place = (name, value) => (isAddress(name) ? value.replace("{base}", () => base) : value);
  showEarly(JSON.parse(element.textContent, place));
}
