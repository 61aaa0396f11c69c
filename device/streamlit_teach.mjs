/** "Teach" as a component of Streamlit: the same as `teach.html`, below the app's header. */

import { linkStyles } from "./view/elements.mjs";
import { createComponent, themeOf } from "./view/streamlit_component.mjs";
import { mountTeach } from "./view/teach.mjs";
import { openAddress } from "./visit/address.mjs";

/** Height of Streamlit's header. */
const HEADER = "3.75rem";

/** Show "Teach"; `base`, the app's path, comes from `ui/teach_view.py`. */
export default createComponent((parent, { base }) => {
  linkStyles(parent, ["../streamlit"]);
  const teach = mountTeach(parent, {
    folder: `${base}device/`,
    theme: themeOf(parent.host),
    above: HEADER,
    onUse: (name) => openAddress(`${base}?model=${name}`),
  });
  const update = () => teach.update({ theme: themeOf(parent.host) });
  return { update, close: () => teach.unmount() };
});
