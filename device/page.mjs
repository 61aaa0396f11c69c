/**
 * Shows the viewfinder as soon as the page's HTML is there, from the data in it; Streamlit follows.
 */

import { showEarly } from "./streamlit.mjs";

const element = document.getElementById("page-data");
if (element) {
  // The server doesn't know the path that a proxy puts before its own.
  const base = new URL(".", location.href).pathname;
  const isAddress = (name) => ["base", "url", "thumbnail"].includes(name);
  const place = (name, value) => (isAddress(name) ? value.replace("{base}", () => base) : value);
  showEarly(JSON.parse(element.textContent, place));
}
