/**
 * The menu that chooses where the model runs.
 */

import { createDialog } from "./dialog.mjs";
import { createElement } from "./elements.mjs";

/** @type {[import("../types").Run, string, string][]} */
const MODES = [
  ["auto", "Automatic", "This device once it has the model, and the server until then."],
  ["device", "This device", "Photos stay here."],
  ["server", "The server", "Each photo is sent, used for the answer, then gone."],
];

/**
 * Ask where the model runs.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {import("../types").Run} run the current choice
 * @param {(run: string) => void} onRun is called with another choice
 */
export function openRunMenu(parent, run, onRun) {
  const { dialog, body } = createDialog(parent, "Where the model runs");
  const buttons = MODES.map(([name, title, line]) => {
    const button = createElement(
      "button",
      { type: "button", className: "vf-choice", ariaPressed: String(name === run) },
      createElement("b", {}, title),
      createElement("span", { className: "vf-small" }, line),
    );
    button.onclick = () => {
      dialog.close();
      if (name !== run) onRun(name);
    };
    return button;
  });
  body.append(...buttons);
  dialog.showModal();
}
