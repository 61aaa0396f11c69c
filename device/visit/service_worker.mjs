/**
 * Have the service worker keep a model, or remove all that it has kept; see `service-worker.js`.
 *
 * @param {{keep: {model: string, graph: string}} | {clear: true}} message
 * @returns {Promise<any>} what is kept; null where the browser allows no service worker
 */
export async function callServiceWorker(message) {
  try {
    await navigator.serviceWorker.register("service-worker.js");
    const { active } = await navigator.serviceWorker.ready;
    const { port1, port2 } = new MessageChannel();
    return await new Promise((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      active.postMessage(message, [port2]);
    });
  } catch {
    // Not on https, in a private window or in another site's frame.
    return null;
  }
}
