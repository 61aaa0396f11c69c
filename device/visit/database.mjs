/** A database of this browser, whose lost connection is opened again. */

/**
 * Errors of a connection that was lost: iOS ends those of pages in the background, and every
 * browser when its visitor deletes the site's data.
 */
const LOST = ["AbortError", "InvalidStateError", "UnknownError"];

/** @typedef {Record<string, IDBObjectStore>} Stores by name */

/**
 * Open a database with these stores. `onreopen` is called after its connection was opened again.
 *
 * @param {string} name
 * @param {Record<string, IDBObjectStoreParameters>} options by store
 * @param {() => void} [onreopen]
 * @throws {DOMException} if the browser keeps nothing
 */
export async function openDatabase(name, options, onreopen) {
  const names = Object.keys(options);
  const connect = async () => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () =>
      names.forEach((one) => request.result.createObjectStore(one, options[one]));
    return resultOf(request);
  };
  let isClosed = false;
  let connection = connect();
  await connection;

  /** @type {<T>(mode: IDBTransactionMode, work: (stores: Stores) => Promise<T>) => Promise<T>} */
  const transact = async (mode, work) => {
    const transaction = (await connection).transaction(names, mode);
    const finished = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new DOMException("", "AbortError"));
    });
    finished.catch(() => {});
    const stores = names.map((one) => [one, transaction.objectStore(one)]);
    const result = await work(Object.fromEntries(stores)).catch((error) => {
      if (!transaction.error) transaction.abort();
      throw transaction.error ?? error;
    });
    await finished;
    return result;
  };

  const end = () => connection.then((database) => database.close()).catch(() => {});

  return {
    /** Do some work in one transaction on all stores. @type {typeof transact} */
    run: async (mode, work) => {
      const used = connection;
      try {
        return await transact(mode, work);
      } catch (error) {
        const isLost = error instanceof DOMException && LOST.includes(error.name) && !isClosed;
        if (!isLost) throw error;
        if (connection === used) {
          end();
          connection = connect();
        }
        const result = await transact(mode, work);
        onreopen?.();
        return result;
      }
    },
    close: () => {
      isClosed = true;
      end();
    },
  };
}

/** @type {<T>(request: IDBRequest<T>) => Promise<T>} */
export const resultOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
