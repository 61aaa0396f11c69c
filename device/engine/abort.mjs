/** Waiting that an `AbortSignal` ends: each promise is then rejected with the signal's reason. */

/**
 * Wait for what `start` begins.
 *
 * @template T
 * @param {(resolve: (value: T) => void, reject: (error: unknown) => void) => () => void} start
 *   returns a function that cancels; it calls the others later
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function waitFor(start, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const cancel = start(
      (value) => settle(() => resolve(value)),
      (error) => settle(() => reject(error)),
    );
    const abort = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    /** @param {() => void} finish */
    function settle(finish) {
      signal?.removeEventListener("abort", abort);
      finish();
    }
  });
}

/**
 * Wait for a promise; what it stands for continues after an abort.
 *
 * @type {<T>(promise: Promise<T>, signal?: AbortSignal) => Promise<T>}
 */
export function untilAborted(promise, signal) {
  return waitFor((resolve, reject) => {
    promise.then(resolve, reject);
    return () => {};
  }, signal);
}

/** @type {(milliseconds: number, signal?: AbortSignal) => Promise<void>} */
export function pause(milliseconds, signal) {
  return waitFor((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    return () => clearTimeout(timer);
  }, signal);
}

/**
 * Return a signal that `abort`, or any of the given signals, aborts until `unlink` is called.
 * `AbortSignal.any` is missing in browsers of 2023.
 *
 * @param {(AbortSignal | undefined)[]} signals
 */
export function anyAborted(...signals) {
  const controller = new AbortController();
  const linked = new AbortController();
  for (const signal of signals) {
    const abort = () => controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true, signal: linked.signal });
  }
  const abort = () => controller.abort();
  return { signal: controller.signal, abort, unlink: () => linked.abort() };
}
