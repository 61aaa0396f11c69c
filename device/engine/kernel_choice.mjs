/** Where the page remembers which kernels are quicker in this version of the browser. */

const KEY = "loupe-kernels";

/** @returns {Binary | undefined} */
export function preferredKernels() {
  try {
    const { browser, kernels } = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const isKnown = ["kernels", "kernels-relaxed"].includes(kernels);
    return isKnown && browser === navigator.userAgent ? kernels : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string | null} kernels */
export function rememberKernels(kernels) {
  try {
    if (!kernels) return;
    localStorage.setItem(KEY, JSON.stringify({ browser: navigator.userAgent, kernels }));
  } catch {
    // Where nothing can be stored, they are compared at each visit.
  }
}
