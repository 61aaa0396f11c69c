/** The page's header, outside of the viewfinder, where Streamlit's is. */

import { createElement } from "./elements.mjs";
import { linkStyles } from "./viewfinder_parts.mjs";

/**
 * Return a place in Streamlit's header. It is outside Streamlit's elements, which are dimmed and
 * below the header while a script runs.
 *
 * @param {number} logo width of the logo in pixels
 */
export function createHeader(logo) {
  const host = createElement("div");
  const place = createElement("section", {
    className: "vf-header",
    ariaLabel: "Model",
    hidden: true,
  });
  place.style.setProperty("--logo", `${logo / 16}rem`);
  host.attachShadow({ mode: "open" }).append(place);
  linkStyles(place, ["tokens.css", "viewfinder.css", "../header.css"]).then(() => {
    place.hidden = false;
  });
  document.body.prepend(host);
  return place;
}
