/**
 * The menu that chooses where the model runs.
 */

import { createButton, createElement } from "./elements.mjs";

const MODES = [
  ["auto", "Automatic", "This device once it has the model, and the server until then."],
  ["device", "This device", "Photos stay here."],
  ["server", "The server", "Each photo is sent, used for the answer, then gone."],
];

/**
 * Ask where the model runs.
 *
 * @param {Element} root in which the dialog opens
 * @param {"auto" | "device" | "server"} run the current choice
 * @param {(run: string) => void} onRun is called with another choice
 */
export function openRunMenu(root, run, onRun) {
  const dialog = createElement("dialog", { className: "vf-dialog", ariaLabel: "Where the model runs" });
  const buttons = MODES.map(([name, title, line]) => {
    const button = createElement(
      "button", { type: "button", className: "vf-choice", ariaPressed: String(name === run) },
      createElement("b", {}, title), createElement("span", { className: "vf-small" }, line),
    );
    button.onclick = () => {
      dialog.close();
      if (name !== run) onRun(name);
    };
    return button;
  });
  const heading = createElement("h3", {}, "Where the model runs");
  const close = createButton("vf-button", "Close", { onclick: () => dialog.close() });
  dialog.append(heading, ...buttons, close);
  dialog.onclose = () => dialog.remove();
  // A press outside the dialog.
  dialog.onclick = ({ target }) => target === dialog && dialog.close();
  root.append(dialog);
  dialog.showModal();
}
