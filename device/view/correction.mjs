/**
 * The panel where a visitor says what a photo shows, in place of the answer's words. A label is
 * saved with one press and can be undone. It goes to the owner of the app, and is kept with the
 * answer, or, for a model made on this device, with the photo to the model's project.
 */

import { phraseError } from "../engine/errors.mjs";
import { createButton, createIconButton, h } from "./elements.mjs";
import { createLabel } from "./phrasing.mjs";

const MAX_LABEL_LENGTH = 100;
const OFFERED = 4;
const NONE = "none of these";
const TRAINS =
  "Your model is trained again on this device, which takes a few seconds. Nothing is sent.";
const SAVED_FOR = "Saved for the owner of this app, who may use it to improve the model.";

function saidBy({ certainty, prediction: { answer, plausible, candidates } }) {
  if (certainty === "unknown" || certainty === "nothing") return [NONE];
  if (certainty === "few") return plausible;
  return [answer ?? candidates[0].label].flat();
}

/** Return whether an answer gives a photo several labels, or may have. */
const isMulti = ({ certainty }) => ["several", "nothing"].includes(certainty);

const isIn = (labels, label) => labels.some((other) => other.toLowerCase() === label.toLowerCase());

export class CorrectionPanel {
  #parts;
  /** True once the visitor has read what happens to a correction. */
  #isTold = false;
  /** Whether a copy of the photo is sent as well; the choice is kept for the visit. */
  #copy = h("input", { type: "checkbox" });
  #status = h("p.vf-alert", { role: "alert" });
  /** What the page says was saved of this photo, or null. */
  #told = null;
  /** The signal of the photo whose label is being saved. */
  #saving = null;
  #closing = new AbortController();
  /** Saves labels for the answer on the screen, and perhaps its photo. */
  #save = null;

  /** @param {any} parts see `createParts` */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Ask what a photo shows. @type {(entry: Entry, visit: Visit) => void} */
  open(entry, visit) {
    this.#beginForOwner(entry, visit);
    const { answer } = entry;
    const said = saidBy(answer);
    // Of two names, either may be right.
    const known = answer.certainty === "few" ? said : [];
    const others = answer.prediction.candidates.map(({ label }) => label);
    const offered = [...known, ...others.filter((label) => !said.includes(label))];
    const list = h("datalist", { id: "loupe-labels" });
    // Not awaited: by then, another photo may be on the screen.
    visit.identifier.describe().then((described) => {
      list.append(...(described?.labels ?? []).map((label) => h("option", { value: label })));
    });
    const choose = (label) => () => this.#save([label]);
    const chips = offered.slice(0, OFFERED).map((label) => {
      const text = createLabel(label, answer.language);
      return h("button.vf-button", { type: "button", onclick: choose(label) }, text);
    });
    const dashed = "vf-button.vf-dashed";
    if (!said.includes(NONE)) {
      chips.push(createButton(dashed, "None of these", { onclick: choose(NONE) }));
    }
    const write = () => this.#write(form, list, said, isMulti(answer));
    chips.push(createButton(dashed, "Something else…", { onclick: write }));
    const form = h("form.vf-chips", ...chips);
    const consent = "Send a small copy too, without place and time";
    this.#show("What is it?", [form, h("label.vf-check", this.#copy, h("span", consent))]);
    if (isMulti(answer)) write();
  }

  /** Save that an answer is right; the first time, once the visitor has read what is saved. */
  confirm(entry, visit) {
    this.#beginForOwner(entry, visit, "Thanks");
    const labels = saidBy(entry.answer);
    const save = () => this.#save(labels, null);
    if (this.#isTold) save();
    else this.#show("Is it right?", [createButton("vf-button.vf-main", "Yes", { onclick: save })]);
  }

  /** Ask to which label of its model's project a photo is added, which trains the model again. */
  openProject(entry, visit) {
    const labels = visit.models.labelsOf(entry.answer.prediction.model);
    const learn = (isLearned) => {
      const { model } = visit.identifier;
      visit.send({ type: "learned", model, isLearned: isLearned || entry.isLearned });
    };
    const correct = ({ labels: [label], signal }) =>
      visit.models.train(
        (teach, ...own) => teach.addPhoto(...own, { ...entry, label, signal }),
        signal,
      );
    const undo = (added) => visit.models.train((_, ...own) => added.undo(...own));
    const onSaved = (added) => {
      const undoIt = async () => {
        await undo(added);
        visit.trained = null;
        return "Undone.";
      };
      const onUndone = () => learn(false);
      visit.trained = { id: entry.id, text: added.text, undo: undoIt, onUndone };
      learn(true);
      const { correct: button, saved } = this.#parts;
      if (button.hidden) saved.querySelector("button")?.focus({ preventScroll: true });
    };
    this.#begin(entry, { correct, undo, onSaved }, "Training…");
    const chips = labels.map((label) =>
      createButton("vf-button", label, { onclick: () => this.#save([label]) }),
    );
    const write = () => this.#write(form, h("datalist"), [], false);
    const add = createButton("vf-button.vf-dashed", "New label", { icon: "more", onclick: write });
    const form = h("form.vf-chips", ...chips, add);
    this.#show("Add this photo to", [form, h("p.vf-small", TRAINS)], "");
  }

  dismiss() {
    const isOpen = !this.#parts.correction.hidden;
    this.#hide();
    return isOpen;
  }

  /** Close the panel, and take away what was said of an earlier photo. */
  close() {
    this.#closing.abort();
    this.#closing = new AbortController();
    this.#told = null;
    this.#hide();
    this.#parts.saved.replaceChildren();
  }

  /** Say what is saved of the photo on the screen, and offer to undo it. */
  follow(entry, visit) {
    const { trained } = visit;
    // Not beside an answer of the app's models, to the same photo.
    const isTrained = trained && trained.id === entry?.id && !entry.answer?.token;
    const saved = entry?.answer?.saved ?? (isTrained ? trained : null);
    if (saved === this.#told) return;
    this.#told = saved;
    if (saved) this.#say({ undo: () => this.#undo(entry, visit), ...saved });
    else this.#parts.saved.replaceChildren();
  }

  #beginForOwner(entry, visit, thanks = "") {
    const { server } = visit.identifier;
    const onCopy = (bytes) =>
      visit.noteCorrection(entry, { copy: bytes ?? entry.answer.copy ?? null });
    const correct = (given) =>
      server.correct({ ...given, onCopy }, visit.pressBeside(given.photo ? "copy" : "nothing"));
    const onSaved = (saved, labels) => {
      this.#isTold = true;
      const text = thanks || `Saved: ${labels.join(", ")} (no. ${saved.number})`;
      const replaced = this.#told?.undos ?? [];
      visit.noteCorrection(entry, { saved: { text, undos: [saved, ...replaced] } });
      // A photo has one correction: the last.
      for (const one of replaced) server.undo(one).catch(() => {});
    };
    this.#begin(entry, { correct, undo: server.undo, onSaved }, "Saving…");
  }

  /** Delete the correction on the screen, and those that it replaced; return what to say then. */
  async #undo(entry, visit) {
    const { undos } = this.#told;
    let text = "Undone: nothing is saved.";
    // The newest last: until it is deleted, something is saved.
    for (const one of [...undos].reverse()) {
      await visit.identifier.server.undo(one).catch((error) => {
        if (error.code !== "no-such-correction") throw error;
        // Otherwise it was deleted when it was replaced.
        if (one === undos[0]) text = phraseError(error);
      });
    }
    visit.noteCorrection(entry, { saved: null });
    return text;
  }

  #begin(entry, target, busy) {
    this.#hide();
    const { signal } = this.#closing;
    this.#save = async (labels, photo = this.#copy.checked ? entry.photo : null) => {
      if (this.#saving === signal) return;
      this.#saving = signal;
      this.#status.textContent = busy;
      try {
        const saved = await target.correct({ answer: entry.answer, labels, photo, signal });
        // Nothing on the screen would say that it was saved.
        if (signal.aborted) return void (await target.undo(saved).catch(() => {}));
        this.#hide();
        target.onSaved(saved, labels);
      } catch (error) {
        if (!signal.aborted) this.#fail(phraseError(error));
      } finally {
        if (this.#saving === signal) this.#saving = null;
      }
    };
  }

  #fail(text) {
    const { correction, saved } = this.#parts;
    if (!correction.hidden) this.#status.textContent = text;
    // What was saved stays.
    else if (this.#told) saved.firstChild.textContent = `${this.#told.text}. ${text}`;
    else saved.replaceChildren(text);
  }

  #show(title, content, about = SAVED_FOR) {
    const { correction, root } = this.#parts;
    const heading = h("h2.vf-headline", { tabIndex: -1 }, title);
    const close = createIconButton("vf-icon-button", "Cancel", "close", () => this.#hide());
    this.#status.textContent = "";
    // First, so that it is read before a press, on low screens as well.
    const head = [h("div.vf-head", heading, close), h("p.vf-small", about), this.#status];
    correction.replaceChildren(...head, ...content);
    correction.hidden = false;
    root.toggleAttribute("data-correcting", true);
    heading.focus({ preventScroll: true });
  }

  /** Have the visitor type a label, or several where a photo may have several. */
  #write(form, list, said, hasMore) {
    const addField = (required) => {
      const input = h("input", { type: "text", required, autocomplete: "off", dir: "auto" });
      Object.assign(input, { maxLength: MAX_LABEL_LENGTH, ariaLabel: "Label" });
      input.setAttribute("list", list.id);
      fields.append(input);
      input.focus();
    };
    const fields = h("div.vf-fields", list);
    const more = createButton("vf-text-button", "Another label", {
      onclick: () => addField(false),
    });
    const save = createButton("vf-button.vf-main", "Save");
    save.type = "submit";
    form.replaceChildren(fields, ...(hasMore ? [more] : []), save);
    form.onsubmit = (event) => {
      event.preventDefault();
      const words = [...fields.querySelectorAll("input")].map(({ value }) => value.trim());
      const labels = words.filter(Boolean);
      const isSaid = labels.length === said.length && labels.every((label) => isIn(said, label));
      if (isSaid) this.#status.textContent = "That is what it said.";
      else if (labels.length) this.#save(labels);
    };
    addField(true);
  }

  /** Say what was saved, and offer to undo it, until that is done. */
  #say({ text, undo, onUndone }) {
    const { saved } = this.#parts;
    const said = h("span", { dir: "auto" }, text);
    const button = createButton("vf-text-button", "Undo");
    button.onclick = async () => {
      const { signal } = this.#closing;
      button.disabled = true;
      try {
        const undone = await undo();
        if (signal.aborted) return;
        onUndone?.();
        saved.replaceChildren(undone);
      } catch (error) {
        if (!signal.aborted) this.#fail(phraseError(error));
        button.disabled = false;
      }
    };
    saved.replaceChildren(said, button);
  }

  #hide() {
    const { correct, correction, root } = this.#parts;
    const hadFocus = correction.contains(correction.getRootNode().activeElement);
    correction.hidden = true;
    correction.replaceChildren();
    root.removeAttribute("data-correcting");
    if (hadFocus) correct.focus({ preventScroll: true });
  }
}
