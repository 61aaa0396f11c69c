/**
 * Whether the app's server can be reached, by Streamlit's own connection: it notices within a moment
 * that a server is gone, and joins a new one by itself.
 */

/** Where Streamlit's page notes the state of its connection, for tests of its own. */
const STATE = "data-test-connection-state";
const CONNECTED = "CONNECTED";

/** Interruptions up to this are not worth a word, in milliseconds. */
const GRACE_MS = 1500;

/**
 * Report whether the server can be reached, now and after each change.
 *
 * @param {(isConnected: boolean) => void} onchange
 * @returns {() => void} ends it
 */
export function followConnection(onchange) {
  const app = document.querySelector(`[${STATE}]`);
  if (!app) return () => {};
  let timer;
  const report = () => {
    clearTimeout(timer);
    if (app.getAttribute(STATE) === CONNECTED) onchange(true);
    else timer = setTimeout(() => onchange(false), GRACE_MS);
  };
  const observer = new MutationObserver(report);
  observer.observe(app, { attributeFilter: [STATE] });
  report();
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
