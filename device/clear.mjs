/** A button that deletes the visitor's recent photos: a component of Streamlit. */

import { createButton, h } from "./view/elements.mjs";
import { Recents } from "./visit/recents.mjs";
import { createPanel } from "./view/streamlit_component.mjs";

/** Show the button; `data` comes from `ui/about_page.py`. */
export default createPanel("../commands", () => new Screen());

class Screen {
  #data;
  #send;
  root = h("div.commands");
  #status = h("p.status", { role: "status" });

  constructor() {
    const clear = createButton("clear", "Clear them now", {
      icon: "trash",
      onclick: () => this.#clear(),
    });
    this.root.append(clear, this.#status);
  }

  update(data, send) {
    this.#data = data;
    this.#send = send;
  }

  async #clear() {
    const { recent, base } = this.#data;
    // Those of the page at `/device/` as well.
    const all = [base, "device"].map((prefix) => new Recents({ scope: recent, prefix }).clear());
    const isCleared = (await Promise.all(all)).every(Boolean);
    this.#send("cleared", true);
    this.#status.textContent = isCleared ? "Cleared." : "This browser couldn’t delete them.";
  }
}
