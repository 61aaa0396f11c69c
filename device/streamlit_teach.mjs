/** "Teach" as a component of Streamlit: the same as `teach.html`, below the app's header. */

import { findBase } from "./base_model.mjs";
import { phraseError } from "./engine/errors.mjs";
import { h, linkStyles } from "./view/elements.mjs";
import { createComponent, themeOf } from "./view/streamlit_component.mjs";
import { mountTeach } from "./view/teach.mjs";

/** Height of Streamlit's header. */
const HEADER = "3.75rem";

/** Show "Teach"; `data` comes from `ui/teach_view.py`. */
export default createComponent((parent, data) => new Screen(parent, data));

class Screen {
  #parent;
  #view = null;
  #setTrigger = null;
  #isClosed = false;
  #status = h("p", { role: "status" });

  constructor(parent, { base }) {
    this.#parent = parent;
    parent.append(this.#status);
    linkStyles(parent, ["../streamlit"]);
    this.#show(new URL(`${base}device/`, document.baseURI));
  }

  /** Take a new theme. */
  update(_, setTrigger) {
    this.#setTrigger = setTrigger;
    this.#view?.update({ theme: themeOf(this.#parent.host) });
  }

  close() {
    this.#isClosed = true;
    this.#view?.unmount();
  }

  async #show(folder) {
    try {
      const { address } = await findBase(folder.href, (text) => (this.#status.textContent = text));
      if (this.#isClosed) return;
      this.#status.remove();
      this.#view = mountTeach(this.#parent, {
        address,
        prefix: folder.pathname,
        theme: themeOf(this.#parent.host),
        above: HEADER,
        onUse: (name) => this.#setTrigger("used", name),
      });
    } catch (error) {
      this.#status.textContent = phraseError(error, error.message);
    }
  }
}
