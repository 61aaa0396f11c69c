/** "Teach" as a component of Streamlit: the same as `teach.html`, below the app's header. */

import { linkStyles } from "./view/elements.mjs";
import { createComponent, themeOf } from "./view/streamlit_component.mjs";
import { mountTeach } from "./view/teach.mjs";
import { openAddress } from "./visit/address.mjs";

const HEADER = "3.75rem";

/** Show "Teach"; `pages/teach.py` gives `base`, the app's path, and `train`, for its owner. */
export default createComponent((parent, { base }) => {
  linkStyles(parent, ["../streamlit"]);
  const teach = mountTeach(parent, {
    folder: `${base}device/`,
    theme: themeOf(parent.host),
    above: HEADER,
    onUse: (name) => openAddress(`${base}?model=${name}`),
  });
  let isClosed = false;
  const onTrain = async (zip, name, mode) => {
    const { sendPhotos } = await import("./owner/send_photos.mjs");
    const sent = await sendPhotos(zip, { base, name, mode });
    if (sent && !isClosed) openAddress(`${base}photos?set=${sent.name}`);
    return Boolean(sent);
  };
  const update = ({ train }) =>
    teach.update({ theme: themeOf(parent.host), onTrain: train ? onTrain : null });
  const close = () => {
    isClosed = true;
    teach.unmount();
  };
  return { update, close };
});
