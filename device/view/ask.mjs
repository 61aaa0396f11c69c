/**
 * Questions about where a photo is identified, asked before one leaves the device, and dialogs: the
 * menu of modes, and to share an answer or look it up.
 */

import { waitFor } from "../engine/abort.mjs";
import { createButton, createCaption, createDialog, createIcon, h } from "./elements.mjs";
import { engineOf, modesOf, partOf, phraseSent } from "./disclosure.mjs";
import { createLabel, toText } from "./phrasing.mjs";

/**
 * Ask; return the name of the chosen way, or null for none, as by Esc. Nothing is sent meanwhile.
 * `sent` is what was sent of the photo, null if that isn't known; `signal` takes the question away.
 * The question's `follow` gets a function that shows its later words, and one that ends it.
 */
export async function ask({ root, words }, { title, line, ways, keep, follow }, sent, signal) {
  const heading = h("h2.vf-headline", { id: "vf-ask", tabIndex: -1 }, title);
  const sentence = h("p", line);
  const panel = h("section.vf-ask", heading, sentence);
  panel.setAttribute("aria-labelledby", heading.id);
  const document = root.ownerDocument;
  const previous = /** @type {ShadowRoot | Document} */ (root.getRootNode()).activeElement;
  let cancel;
  const onKey = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    cancel();
  };
  // Captured before the viewfinder's own keys.
  document.addEventListener("keydown", onKey, { capture: true });
  try {
    return await waitFor((resolve) => {
      cancel = () => resolve(null);
      const content = (way) => [createIcon(way.icon), createCaption([way.title], [way.line])];
      const buttons = ways.map((way) => {
        const onclick = () => resolve(way.name);
        return h("button.vf-ask-way", { type: "button", onclick }, ...content(way));
      });
      follow?.((question) => {
        sentence.textContent = question.line;
        ways.forEach(({ name }, at) => {
          const said = question.ways.find((way) => way.name === name);
          if (said) buttons[at].replaceChildren(...content(said));
        });
      }, resolve);
      const told = sent ? `Already sent: ${phraseSent(sent)}` : "Nothing has been sent";
      const end = h("div.vf-ask-end", h("p.vf-small", "Your choice holds for this visit."));
      if (keep) end.append(createButton("vf-button", keep, { onclick: cancel }));
      const isTold = sent || (sent !== null && !keep);
      if (isTold) end.append(h("p.vf-small", createIcon(sent ? "server" : "phone"), told));
      panel.append(h("div", ...buttons), end);
      words.after(panel);
      root.toggleAttribute("data-asking", true);
      heading.focus({ preventScroll: true });
      return () => {};
    }, signal);
  } finally {
    document.removeEventListener("keydown", onKey, { capture: true });
    panel.remove();
    const isReplaced = root.querySelector(".vf-ask") !== null;
    root.toggleAttribute("data-asking", isReplaced);
    if (previous instanceof HTMLElement && !isReplaced) previous.focus({ preventScroll: true });
  }
}

/**
 * Open the menu that chooses where the model runs, and says what leaves the device; `onRun` is
 * called with another choice.
 */
export function openRunMenu(parent, { identifier, state }, onRun) {
  const { run } = identifier;
  const answer = state.entry?.answer;
  const { dialog, body } = createDialog(parent, "Where the model runs");
  const { reason } = identifier.state;
  if (run === "auto" && reason) body.append(h("p", reason));
  const part = partOf(identifier.state, identifier.recipe);
  for (const [name, title, line] of modesOf(part, identifier.api)) {
    const onclick = () => {
      dialog.close();
      if (name !== run) onRun(name);
    };
    const properties = { type: "button", ariaPressed: String(name === run), onclick };
    body.append(h("button.vf-choice", properties, h("b", title), h("span.vf-small", line)));
  }
  if (answer) body.append(h("p.vf-small", `This answer: ${engineOf(answer)}`));
  dialog.showModal();
}

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
