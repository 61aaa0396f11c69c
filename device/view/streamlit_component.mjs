/**
 * What the components of Streamlit share: one screen for each element, for as long as it is shown.
 */

/**
 * Return a component's default export, which Streamlit calls with `{parentElement, data,
 * setTriggerValue}` whenever `data` or the theme changes, and which returns what ends that call.
 *
 * @param {(parent: ShadowRoot, data: object) => {update: Function, close: Function}} create makes
 *   the screen of a new element; `update` takes `data` and `setTriggerValue(name, value)`, which
 *   runs the page's script
 */
export function createComponent(create) {
  const mounted = new WeakMap();
  return ({ parentElement, data, setTriggerValue }) => {
    let entry = mounted.get(parentElement);
    if (!entry) {
      mounted.set(parentElement, (entry = { screen: create(parentElement, data), calls: 0 }));
    }
    entry.screen.update(data, setTriggerValue);
    const call = ++entry.calls;
    return () => {
      // Streamlit also ends a call that a newer one has replaced; only the newest one's end counts.
      if (call !== entry.calls) return;
      mounted.delete(parentElement);
      entry.screen.close();
    };
  };
}
