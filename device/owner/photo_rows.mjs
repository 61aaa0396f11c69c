/** The labels of a photo set, with the number of photos of each: a component of Streamlit. */

import { createIcon, h } from "../view/elements.mjs";
import { createPanel } from "../view/streamlit_component.mjs";
import { draw } from "../view/teach_parts.mjs";

/** Show the rows; a press sends "open" with the row's label. */
export default createPanel("../owner/photo_rows", () => {
  const list = h("ul.rows", { role: "list" });
  const root = h("div.photo-rows", list);
  const update = ({ rows }, send) => {
    const most = Math.max(1, ...rows.map(({ count }) => count));
    // draw() reuses elements, so that the focus and loaded photos are kept.
    draw(list, ...rows.map((row) => createRow(row, most, () => send("open", row.label))));
  };
  return { root, update };
});

function createRow({ label, count, photos, note }, most, onclick) {
  const number = count.toLocaleString("en");
  const name = `${label}, ${number} photo${count === 1 ? "" : "s"}${note ? `, ${note}` : ""}`;
  const share = h("i");
  share.style.width = `${(100 * count) / most}%`;
  const small = { alt: "", loading: "lazy", decoding: "async" };
  const images = photos.map((src) => h("img", { ...small, src }));
  const words = h("span.words", h("b", { dir: "auto" }, label));
  if (note) words.append(h("small", { dir: "auto" }, note));
  const pictures = h("span.photos", ...images);
  const button = h("button.row", { type: "button", ariaLabel: name, onclick }, words);
  button.append(h("span.bar", share), pictures, h("b.number", number), createIcon("next"));
  return h("li", button);
}
