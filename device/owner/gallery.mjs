/** Photos to select, many at once, and what to do with them: a component of Streamlit. */

import { createButton, h } from "../view/elements.mjs";
import { createPanel } from "../view/streamlit_component.mjs";

/** Show the gallery; `data` comes from `ui/corrections_view.py` or `ui/photo_gallery.py`. */
export default createPanel("../owner/gallery", () => new Gallery());

class Gallery {
  #data = null;
  #send = null;
  #selected = new Set();
  root = h("div.gallery");
  #list = h("ul.photos", { role: "list" });
  #said = h("p.said", { role: "status" });
  #actions = h("div.actions");
  #names = h("datalist", { id: "labels" });
  #field = h("input", { type: "text", required: true, maxLength: 200, autocomplete: "off" });
  #form = h("form.relabel", { hidden: true });

  constructor() {
    this.#field.setAttribute("list", "labels");
    this.#field.ariaLabel = "Label";
    const save = createButton("main", "Relabel");
    save.type = "submit";
    const onclick = () => this.#open(false);
    this.#form.append(this.#field, this.#names, save, createButton("other", "Cancel", { onclick }));
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#act("relabel", this.#field.value.trim());
    };
    const bar = h("div.bar", { role: "group", ariaLabel: "Selected photos" });
    bar.append(this.#said, this.#actions, this.#form);
    this.root.append(this.#list, bar);
  }

  /** Take new data; the selection stays where its photos do. */
  update(data, send) {
    this.#send = send;
    const isSame = JSON.stringify(data) === JSON.stringify(this.#data);
    this.#data = data;
    if (isSame) return;
    const ids = new Set(data.items.map(({ id }) => id));
    this.#selected = new Set([...this.#selected].filter((id) => ids.has(id)));
    this.#list.replaceChildren(...data.items.map((item, at) => this.#createItem(item, at)));
    this.#names.replaceChildren(...data.labels.map((value) => h("option", { value })));
    this.#actions.replaceChildren(...data.actions.map((action) => this.#createAction(action)));
    this.#open(false);
    this.#count();
    // Opened by a press further down the page.
    if (this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView();
  }

  #createItem({ id, photo, label, said, count, note }, at) {
    const box = h("input", { type: "checkbox", checked: this.#selected.has(id) });
    box.onchange = () => {
      this.#selected[box.checked ? "add" : "delete"](id);
      this.#count();
    };
    box.ariaLabel = `${label}, photo ${at + 1}${said ? `, ${said}` : ""}`;
    const image = h("img", { src: photo, alt: "", loading: "lazy", decoding: "async" });
    const picture = h(
      "span.picture",
      ...(photo ? [image] : []),
      h("span.mark", { ariaHidden: "true" }, "✓"),
    );
    if (count > 1) picture.append(h("span.alike", `${count} alike`));
    const words = [h("b", { dir: "auto" }, label), h("span.small", { dir: "auto" }, said)];
    return h("li", h("label.photo", box, picture, ...words, ...(note ? [h("i", note)] : [])));
  }

  #createAction({ name, text, isMain, needsLabel }) {
    const onclick = () => (needsLabel ? this.#open(true) : this.#act(name));
    const button = createButton(isMain ? "main" : "other", text, { onclick });
    button.dataset.keeps = String(name === "keep" || needsLabel);
    return button;
  }

  /** Say how many photos are selected, and which of the actions are possible. */
  #count() {
    const items = this.#data.items.filter(({ id }) => this.#selected.has(id));
    const photos = items.reduce((sum, { count }) => sum + count, 0);
    const refused = items.filter(({ note }) => note).length;
    const few = photos === 1 ? "1 photo" : `${photos} photos`;
    const read = [...new Set(items.map((item) => item.read))].join("” – “");
    const limits = refused ? ` ${refused} of them can’t be trained on.` : "";
    const words = read ? ` The visitors read: “${read}”` : "";
    const said = `${few} selected.${limits}${words}`;
    this.#said.textContent = items.length ? said : this.#data.hint;
    for (const button of this.#actions.querySelectorAll("button")) {
      const isKeeping = button.dataset.keeps === "true";
      button.disabled = !items.length || (isKeeping && refused === items.length);
    }
  }

  #open(isOpen) {
    this.#form.hidden = !isOpen;
    this.#actions.hidden = isOpen;
    if (isOpen) this.#field.focus();
  }

  #act(name, label = null) {
    if (name === "relabel" && !label) return;
    this.#field.value = "";
    this.#open(false);
    this.#send("act", { name, label, ids: [...this.#selected] });
    this.#selected.clear();
    for (const box of this.#list.querySelectorAll("input")) box.checked = false;
    this.#count();
  }
}
