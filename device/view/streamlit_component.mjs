/**
 * Connects components with Streamlit: creates one screen per element while it is shown, and follows
 * whether the server can be reached.
 */

import { linkStyles } from "./elements.mjs";

/** Attribute in which Streamlit's page states its connection, for Streamlit's own tests. */
const STATE = "data-test-connection-state";
const CONNECTED = "CONNECTED";

/** Number of an element's last calls that are kept: Streamlit doesn't end all of them. */
const MAX_CALLS = 4;

/** Longest interruption that isn't reported, in milliseconds. */
const GRACE_MS = 1500;

/**
 * Return a component's default export, which Streamlit calls with `{parentElement, data,
 * setTriggerValue}` whenever `data` or the theme changes, and which returns what ends that call.
 *
 * @param {(parent: ShadowRoot, data: object) => {update: Function, close?: Function}} create makes
 *   the screen of a new element; `update` takes `data` and `setTriggerValue(name, value)`, which
 *   runs the page's script
 */
export function createComponent(create) {
  const mounted = new WeakMap();
  return ({ parentElement, data, setTriggerValue }) => {
    let entry = mounted.get(parentElement);
    if (!entry) {
      // Removed while its script loaded: the early viewfinder is for the element in its place.
      if (!parentElement.isConnected) return undefined;
      mounted.set(parentElement, (entry = { screen: create(parentElement, data), calls: [] }));
    }
    const call = () => entry.screen.update(data, setTriggerValue);
    entry.calls = [...entry.calls, call].slice(-MAX_CALLS);
    call();
    return () => {
      if (!parentElement.isConnected) {
        mounted.delete(parentElement);
        entry.screen.close?.();
        return;
      }
      // Streamlit replaced this call before its script had loaded, and scripts load in any order.
      const isLast = entry.calls.at(-1) === call;
      entry.calls = entry.calls.filter((one) => one !== call);
      if (isLast) entry.calls.at(-1)?.();
    };
  };
}

/**
 * Return the default export of a component that is one element, in the theme of Streamlit's page:
 * the script, which knows the theme as well, doesn't run when it changes.
 *
 * @param {string} style name of its style sheet, see `linkStyles`
 * @param {() => {root: HTMLElement, update: Function, close?: Function}} create
 */
export const createPanel = (style, create) =>
  createComponent((parent) => {
    const panel = create();
    parent.append(panel.root);
    linkStyles(parent, ["tokens", style]);
    const update = (...values) => {
      panel.root.dataset.theme = themeOf(parent.host);
      panel.update(...values);
    };
    return { update, close: () => panel.close?.() };
  });

/**
 * Report whether the server can be reached, now and after each change; `isAgain` after a reconnect,
 * however short the break was. Streamlit notices within a moment that a server is gone, and joins a
 * new one. Return what ends it.
 *
 * @type {(onchange: (isConnected: boolean, isAgain?: boolean) => void) => () => void}
 */
export function followConnection(onchange) {
  const app = document.querySelector(`[${STATE}]`);
  if (!app) return () => {};
  let timer;
  const report = (changes = []) => {
    clearTimeout(timer);
    if (app.getAttribute(STATE) === CONNECTED) onchange(true, changes.length > 0 || undefined);
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

/**
 * Return "dark" or "light", by the background of Streamlit's theme; before Streamlit loads, by the
 * visitor's saved choice or the system's.
 *
 * @param {Element} host
 * @returns {"dark" | "light"}
 */
export function themeOf(host) {
  if (!getComputedStyle(host).getPropertyValue("--st-background-color")) {
    const { theme } = document.getElementById("first-screen")?.dataset ?? {};
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    return /** @type {"dark" | "light"} */ (theme ?? (isDark ? "dark" : "light"));
  }
  const probe = document.createElement("i");
  probe.style.color = "var(--st-background-color)";
  host.before(probe);
  const [red, green, blue] = getComputedStyle(probe)
    .color.match(/[\d.]+/g)
    .map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
}
