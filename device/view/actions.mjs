/**
 * Actions with an answer, each in a dialog of its own: correct it, share it, look it up.
 */

import { phraseError } from "../engine/errors.mjs";
import { createButton, createDialog, h } from "./elements.mjs";
import { createLabel, toText } from "./phrasing.mjs";

const MAX_LABEL_LENGTH = 100;
const SAVED =
  "Saved for the owner of this app, who may use it to improve the model: your word, the model’s " +
  "answer and the time.";
const COPY =
  "The copy is made on this device: at most 1,000 pixels a side, without the place and time that " +
  "your phone wrote into the photo.";

/**
 * Ask what a photo shows, and save it; with a copy of the photo only if the visitor agrees.
 *
 * @param {ParentNode} parent where the viewfinder is
 * @param {import("../types").Entry} entry
 * @param {import("./types").Identifier} identifier
 * @param {(part: import("./types").Part) => import("./types").Permission} permit
 */
export function openCorrection(parent, entry, identifier, permit) {
  const { dialog, body } = createDialog(parent, "It’s something else");
  const list = h("datalist", { id: "loupe-labels" });
  // Not awaited: by then, another photo may be on the screen.
  identifier.describe().then((described) => {
    list.append(...(described?.labels ?? []).map((label) => h("option", { value: label })));
  });
  const fields = h("label.vf-field", "What is it?", list);
  const addField = (required) => {
    const input = h("input", { type: "text", required, autocomplete: "off", dir: "auto" });
    input.maxLength = MAX_LABEL_LENGTH;
    input.setAttribute("list", list.id);
    fields.append(input);
    return input;
  };
  addField(true);
  const more = createButton("vf-text-button", "Another word");
  // Only a model with these gives a photo several labels.
  more.hidden = !["several", "nothing"].includes(entry.answer.certainty);
  more.onclick = () => addField(false).focus();
  const consent = h("input", { type: "checkbox" });
  const status = h("p.vf-sub", { role: "status" });
  const button = createButton("vf-button.vf-main", "Save");
  button.type = "submit";
  const about = h("p.vf-small", SAVED);
  const form = h(
    "form",
    fields,
    more,
    h("label.vf-check", consent, h("span", "Send and save a small copy of my photo as well")),
    h("p.vf-small", COPY),
    about,
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
      const photo = consent.checked ? entry.photo : null;
      const correction = { answer: entry.answer, labels: chosen, photo };
      const permission = permit(photo ? "copy" : "nothing");
      const { number } = await identifier.correct(correction, permission);
      const thanks = `Thanks. To have it deleted, mention number ${number} to the owner of this app.`;
      body.replaceChildren(h("p", { role: "status" }, thanks));
    } catch (error) {
      status.textContent = phraseError(error);
      button.disabled = false;
    }
  };
  body.append(form);
  dialog.showModal();
}

/** Return the address that shows an answer to others. */
function linkUrl(token) {
  const url = new URL(location.href);
  // Community Cloud frames the app under this path; links go to the app's own address.
  url.pathname = url.pathname.replace("/~/+", "");
  url.search = `?answer=${token}`;
  url.hash = "";
  return url.href;
}

/** Show the link to an answer, and hand it to the phone's own sharing if there is one. */
export function openShare(parent, { answer }) {
  const { dialog, body } = createDialog(parent, "Share this answer");
  const url = linkUrl(answer.token);
  const words = h("p", "Anyone with this link sees the answer, but not your photo.");
  if (answer.where === "device") {
    words.append(" It says that your own device computed it, so this app can’t check it.");
  }
  const field = h("input", { type: "text", readOnly: true, value: url, ariaLabel: "Link" });
  field.onfocus = () => field.select();
  const status = h("p.vf-sub", { role: "status" });
  const copy = createButton("vf-button.vf-main", "Copy");
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
  body.append(words, field, status, copy);
  if (navigator.share) {
    const send = createButton("vf-button", "Send…");
    send.onclick = () => navigator.share({ title: toText(answer.headline), url }).catch(() => {});
    body.append(send);
  }
  dialog.showModal();
}

/** Offer links to other sites about the answer's top label. */
export function openLookUp(parent, { answer }, sites) {
  const { dialog, body } = createDialog(parent, "Look it up");
  const [{ label }] = answer.prediction.candidates;
  const words = label.replace(/[()]/g, "");
  const [target, rel] = ["_blank", "noopener noreferrer"];
  const links = sites.map(({ name, url }) => {
    return h("a.vf-button", { href: url + encodeURIComponent(words), target, rel }, name);
  });
  body.append(
    h("p.vf-sub", createLabel(label, answer.language)),
    ...links,
    h("p.vf-small", "Another site opens, which then sees the label."),
  );
  dialog.showModal();
}
