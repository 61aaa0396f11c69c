/** Actions with an answer, each in a dialog of its own: share it, look it up. */

import { createButton, createDialog, h } from "./elements.mjs";
import { createLabel, toText } from "./phrasing.mjs";

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
