/**
 * What a visitor can do with an answer, each in a dialog of its own: correct it, share it, look it
 * up.
 */

import { phraseError } from "../engine/errors.mjs";
import { createDialog } from "./dialog.mjs";
import { createButton, createElement } from "./elements.mjs";
import { labelElement, toText } from "./phrasing.mjs";
import { linkUrl } from "./share_link.mjs";

const MAX_LABEL_LENGTH = 100;

/**
 * Ask what a photo shows, and save it.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {object} correction
 * @param {object} correction.entry with the photo and its answer
 * @param {string[]} correction.labels of the model
 * @param {(labels: string[], photo: Blob | null) => Promise<{number: number}>} correction.save the
 *   photo only if the visitor agreed to send it
 */
export function openCorrection(parent, { entry, labels, save }) {
  const { dialog, body } = createDialog(parent, "It's something else");
  const list = createElement("datalist", { id: "loupe-labels" });
  list.append(...labels.map((label) => createElement("option", { value: label })));
  const fields = createElement("label", { className: "vf-field" }, "What is it?", list);
  const addField = (isRequired) => {
    const input = createElement("input", {
      type: "text",
      required: isRequired,
      autocomplete: "off",
      maxLength: MAX_LABEL_LENGTH,
      dir: "auto",
    });
    input.setAttribute("list", list.id);
    fields.append(input);
    return input;
  };
  addField(true);
  // Only such a model gives a photo several labels.
  const isMultilabel = ["several", "nothing"].includes(entry.answer.certainty);
  const more = createButton("vf-text-button", "Another word");
  more.hidden = !isMultilabel;
  more.onclick = () => addField(false).focus();
  const consent = createElement("input", { type: "checkbox" });
  const isSent = entry.answer.where === "server" && entry.answer.sent?.kind !== "pixels";
  const status = createElement("p", { className: "vf-sub", role: "status" });
  const button = createButton("vf-button vf-main", "Save");
  button.type = "submit";
  const form = createElement(
    "form",
    {},
    fields,
    more,
    createElement(
      "label",
      { className: "vf-check" },
      consent,
      isSent ? "Save my photo as well" : "Send and save my photo as well",
    ),
    createElement(
      "p",
      { className: "vf-small" },
      "Saved for the owner of this app, who may use it to improve the model: your word, the " +
        "model's answer and the time. A photo is saved without the location and time your phone adds.",
    ),
    status,
    button,
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const words = [...fields.querySelectorAll("input")].map(({ value }) => value.trim());
    const chosen = words.filter((word) => word);
    if (!chosen.length) return;
    button.disabled = true;
    status.textContent = "Saving…";
    try {
      const { number } = await save(chosen, consent.checked ? entry.photo : null);
      const thanks = `Thanks. To have it deleted, mention number ${number} to the owner of this app.`;
      body.replaceChildren(createElement("p", { role: "status" }, thanks));
    } catch (error) {
      status.textContent = phraseError(error);
      button.disabled = false;
    }
  };
  body.append(form);
  dialog.showModal();
}

/** Show the link to an answer, and hand it to the phone's own sharing if there is one. */
export function openShare(parent, { answer }) {
  const { dialog, body } = createDialog(parent, "Share this answer");
  const url = linkUrl(answer.token);
  const isUnsigned = answer.where === "device";
  const words = createElement(
    "p",
    {},
    "Anyone with this link sees the answer, but not your photo.",
    isUnsigned ? " It says that your own device computed it, so this app can't check it." : "",
  );
  const field = createElement("input", {
    type: "text",
    readOnly: true,
    value: url,
    ariaLabel: "Link",
  });
  field.onfocus = () => field.select();
  const status = createElement("p", { className: "vf-sub", role: "status" });
  const copy = createButton("vf-button vf-main", "Copy");
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(url);
      status.textContent = "Copied.";
    } catch {
      // Not on https, or in another site's frame.
      field.select();
      status.textContent = "Press Ctrl+C (⌘C on a Mac) to copy the link.";
    }
  };
  const parts = [words, field, status, copy];
  if (navigator.share) {
    const send = createButton("vf-button", "Send…");
    send.onclick = () => navigator.share({ title: toText(answer.headline), url }).catch(() => {});
    parts.push(send);
  }
  body.append(...parts);
  dialog.showModal();
}

/** Offer links to other sites about the answer's top label. */
export function openLookUp(parent, { answer }, sites) {
  const { dialog, body } = createDialog(parent, "Look it up");
  const [{ label }] = answer.prediction.candidates;
  const words = label.replace(/[()]/g, "");
  const links = sites.map(({ name, url }) =>
    createElement(
      "a",
      {
        className: "vf-button",
        href: url + encodeURIComponent(words),
        target: "_blank",
        rel: "noopener noreferrer",
      },
      name,
    ),
  );
  body.append(
    createElement("p", { className: "vf-sub" }, labelElement(label, answer.language)),
    ...links,
    createElement("p", { className: "vf-small" }, "Another site opens, which then sees the label."),
  );
  dialog.showModal();
}
