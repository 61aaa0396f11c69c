/**
 * The menu that chooses where the model runs, and says what leaves the device.
 */

import { createDialog } from "./dialog.mjs";
import { createElement } from "./elements.mjs";

/**
 * @param {string} part what the server gets of a photo
 * @returns {[import("../types").Run, string, string][]}
 */
const modes = (part) => [
  [
    "auto",
    "Automatic",
    `This device once it has the model. Until then the server gets ${part} of each photo, uses it ` +
      "for the answer and drops it. For more you are asked.",
  ],
  ["device", "This device", "Photos stay here, unless you send one with a correction."],
  ["server", "The server", `It gets ${part} of each photo, uses it for the answer and drops it.`],
];

/**
 * Ask where the model runs.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {object} options
 * @param {import("../types").Run} options.run the current choice
 * @param {string} options.part what the server gets of a photo
 * @param {string | null} options.engine of the answer that is shown
 * @param {(run: string) => void} onRun is called with another choice
 */
export function openRunMenu(parent, { run, part, engine }, onRun) {
  const { dialog, body } = createDialog(parent, "Where the model runs");
  const buttons = modes(part).map(([name, title, line]) => {
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
  if (engine) body.append(createElement("p", { className: "vf-small" }, `This answer: ${engine}`));
  dialog.showModal();
}
