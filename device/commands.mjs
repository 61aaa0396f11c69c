/**
 * Commands for a terminal, each with a button that copies it, and one button for all of them: a
 * component of Streamlit.
 */

import { createButton, createIconButton, h } from "./view/elements.mjs";
import { createPanel } from "./view/streamlit_component.mjs";

/** Show commands; `data` comes from `ui/host_instructions.py`. */
export default createPanel("../commands", () => new Screen());

class Screen {
  root = h("div.commands");
  #lines = "";
  #status = h("p.status", { role: "status" });

  /** Take new data: `commands`, pairs of a title and a command, and `all`, the last button's text. */
  update({ commands, all }) {
    const lines = commands.map(([, command]) => command).join("\n");
    // A run without a change leaves the buttons, and what was said of the last one.
    if (lines === this.#lines) return;
    this.#lines = lines;
    const copyAll = () => this.#copy(lines);
    const items = commands.map(([title, command]) => this.#item(title, command));
    const main = createButton("main", all, { icon: "copy", onclick: copyAll });
    this.#status.textContent = "";
    this.root.replaceChildren(h("ol", ...items), main, this.#status);
  }

  #item(title, command) {
    const name = `Copy: ${title}`;
    const onclick = () => this.#copy(command);
    // Boxes, because a browser breaks a line after a hyphen as well.
    const words = command.split(" ").flatMap((word) => [" ", h("span", word)]);
    const text = h("div", h("small", title), h("code", ...words.slice(1)));
    return h("li", text, createIconButton("copy", name, "copy", onclick));
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.#status.textContent = "Copied.";
    } catch {
      // Not on https, or in another site's frame.
      this.#status.textContent = "This browser doesn’t copy here. Select the text.";
    }
  }
}
