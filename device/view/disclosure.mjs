/**
 * Words for where a photo is identified and what leaves the device for that: before the photo, in
 * questions, and after it.
 */

const MARKED = "the marked part";
const WHOLE = "the whole file";
const ELSE = ", or else the file";
const GONE = {
  device: "The server doesn’t answer. This device still does.",
  server: "The server doesn’t answer. Trying again…",
};

/** Size of compressed pixels, as a share of their uncompressed size. */
const COMPRESSION_RATIO = 0.5;

/** Return a number of bytes: "98 kB" or "3.4 MB". */
export function formatBytes(bytes) {
  if (bytes < 999_500) return `${Math.max(Math.sign(bytes), Math.round(bytes / 1000))} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export const megabytes = (bytes) => Math.max(1, Math.round(bytes / 1e6));

/** Return a file's name; photos of the camera and of the clipboard have none. */
export const fileName = (file) => (file instanceof File ? file.name : "");

/** Return a file's suffix as the name of its format, such as "HEIC"; or "". */
export const formatOf = (file) => /\.(\w{3,4})$/.exec(fileName(file))?.[1].toUpperCase() ?? "";

/** Return what the server gets of a photo; at most that, while it isn't known. */
export function partOf({ sends }, recipe) {
  if (sends === "file") return WHOLE;
  if (sends === null) return "the photo or a part of it";
  return (recipe?.method ?? "crop") === "crop" ? MARKED : "a scaled-down copy";
}

/** Return who gets photos: the server, and the host to which it passes them, if there is one. */
const serverOf = (api) => (api ? `the server and ${api}` : "the server");

/** Return what becomes of a part of each photo on the server, and on the host of `serverOf`. */
const useOf = (server, part, api) =>
  api
    ? `${server} and ${api} get ${part}, use it for the answer and drop it`
    : `${server} gets ${part}, uses it for the answer and drops it`;

/** Return what is said before a photo; `isFileAllowed` if files may go that can't be read here. */
function disclosureOf(state, recipe, isFileAllowed, api) {
  if (state.next === "device") {
    if (isFileAllowed) return `On this device; files it can’t read go to ${serverOf(api)}`;
    return "On this device: the photo stays here";
  }
  const part = partOf(state, recipe);
  const why = state.code === "data-saver" ? ", since data saver is on" : "";
  const place = `On ${serverOf(api)}${why}: ${api ? "they get" : "it gets"} ${part}`;
  if (isFileAllowed) return `${place}${ELSE}`;
  return `${place}${part === MARKED ? " only" : ""}`;
}

/** Return the line shown while the server can't be reached, or null; downloads have their own. */
export function goneOf({ isConnected, server, device, next }) {
  if (isConnected || server === "none" || device === "loading") return null;
  return next === "device" && device === "ready" ? GONE.device : GONE.server;
}

export function fetchingOf({ loaded, total, isStalled }) {
  if (!total) return "Fetching the model.";
  if (loaded >= total) return "Testing the model.";
  const amount = `${megabytes(loaded)} of ${megabytes(total)} MB`;
  if (isStalled) return `No connection. The download continues once you’re online (${amount}).`;
  return `Fetching the model: ${amount}.`;
}

/** Return the modes between which the menu chooses, with what the server gets of a photo. */
export const modesOf = (part, api) => [
  [
    "auto",
    "Automatic",
    `This device once it has the model. Until then ${useOf("the server", part, api)}.` +
      (part === WHOLE ? "" : " You are asked before more is sent."),
  ],
  ["device", "This device", "Photos stay here, unless you send one with a correction."],
  ["server", "The server", `${useOf("It", part, api)}.`],
];

/**
 * Return the question whether a file may be sent that this browser couldn't read; `api` is the host
 * to which the server passes it.
 */
export function fileQuestion(file, { code }, api) {
  const format = formatOf(file);
  const kind = format ? `this kind of file (${format})` : "this file";
  const hasStopped = code === "engine-unavailable";
  // A camera frame holds no place or time.
  const holds = fileName(file) ? "With the place and time your phone wrote into it. " : "";
  const all = holds ? "both" : "it";
  const drops = api
    ? `It goes to ${serverOf(api)}; they drop ${all}.`
    : `The server drops ${all}${holds ? "" : " after the answer"}.`;
  const line = `${holds}${drops}`;
  return {
    title: "Send this photo to the server?",
    line: hasStopped ? "This device can’t make it smaller." : `This browser can’t read ${kind}.`,
    ways: [
      { name: "send", icon: "up", title: "Send the file", line },
      { name: "keep", icon: "close", title: "Don’t send it", line: "Choose another photo" },
    ],
  };
}

/** Return whether the model can answer on this device once it is fetched. */
export const isToCome = ({ device, reason }) =>
  device === "loading" || (device === "off" && reason === null);

/**
 * Return the question where a photo may be answered, if the page last said that it stays. `about`
 * is what is known of the model, with the bytes of its download; `isOpen` is true if another model
 * answered this photo, and this one is to.
 */
export function placeQuestion(photo, { state, recipe, api }, about, isOpen) {
  const amount = about.bytes ? `${megabytes(about.bytes)} MB` : "the model";
  const fetching = state.device === "loading" ? fetchingOf(state) : `Fetches ${amount} first.`;
  const line = `${fetching} The photo stays here.`;
  const wait = { name: "device", icon: "phone", title: "On this device", line };
  const server = serverWay(photo, about.recipe ?? recipe, state, api);
  const model = about.title ? `“${about.title}”` : "The model";
  const end = { name: "keep", icon: "close", title: "Don’t send it", line: "Back to the camera" };
  return {
    title: isToCome(state) ? "Where should this model run?" : "Send this photo to the server?",
    line: isToCome(state)
      ? `${model} isn’t on this device yet.`
      : "The model isn’t running on this device.",
    ways: [
      ...(isToCome(state) ? [wait] : []),
      ...(state.next === "server" ? [server] : []),
      ...(isOpen ? [] : [end]),
    ],
    keep: isOpen ? "Keep the first answer" : null,
  };
}

function serverWay(photo, recipe, state, api) {
  const bytes = state.sends === "pixels" ? pixelBytes(recipe) : 0;
  const about = bytes ? `, about ${formatBytes(bytes)}` : "";
  const amount = state.sends === "file" ? `, ${formatBytes(photo.size)}` : about;
  const target = api ? `${amount && ","} to ${serverOf(api)}` : "";
  const line = `Sends ${partOf(state, recipe)}${amount}${target}.`;
  return { name: "server", icon: "server", title: "On the server", line };
}

/** Return the bytes that a photo's compressed pixels take, to one significant digit. */
function pixelBytes(recipe) {
  if (!recipe) return 0;
  const [height, width] = recipe.crop ?? recipe.resize;
  return Number((height * width * 3 * COMPRESSION_RATIO).toPrecision(1));
}

/**
 * Return the last line, which says where the model runs and what is sent, and the part of a photo
 * that it says is sent; null if it doesn't mention photos. With an answer, see `sourceOf`.
 *
 * @returns {{text: string, part: Part | null}}
 */
export function lastLineOf(viewfinder, { shown, rate }) {
  const { entry, error, isFileAllowed, next, options, place, sent, waiting } = viewfinder;
  const { api, recipe } = options.identifier;
  const state = { ...options.identifier.state, next };
  const awaited = waiting?.permission.part ?? "nothing";
  if (awaited !== "nothing") {
    const sends = awaited === "pixels" ? "pixels" : "file";
    const when = `Sent ${sent ? "again " : ""}once the server is back`;
    return { text: `${when}: ${partOf({ sends }, recipe)}`, part: awaited };
  }
  if (place === "file") {
    const text = `Sending the file to ${serverOf(api)}: ${formatBytes(entry.photo.size)}`;
    return { text, part: null };
  }
  const gone = goneOf(state);
  if (gone) return { text: gone, part: gone === GONE.device ? "nothing" : null };
  const answer = entry?.answer;
  const part = (answer?.where === "server" && answer.sent?.kind) || "nothing";
  if (answer) return { text: "", part };
  if (error && sent) {
    const text = `Sent to the server${api ? ` for ${api}` : ""}: ${phraseSent(sent)}`;
    return { text, part: sent.kind };
  }
  // For an open photo, a question may follow, as when another model is chosen.
  const sends = entry ? null : (state.sends ?? "file");
  const say = (text) => ({ text, part: next === "device" ? "nothing" : sends });
  const isPixels = next !== "server" || state.sends === "pixels";
  const mayGo = isFileAllowed && isPixels && options.run !== "device";
  if (!entry && next === "device" && shown) {
    if (!rate) return say("On this device");
    return say(`On this device, ${rate === 1 ? "once a second" : `${rate} times a second`}`);
  }
  if (state.device === "loading" && entry && next === "device") {
    return say("Your photo waits for the model on this device.");
  }
  if (state.device === "loading" && !entry) {
    const text = fetchingOf(state);
    if (next === "device") return say(`${text} A photo will wait for the model on this device.`);
    const gets = `${serverOf(api)} ${api ? "get" : "gets"}`;
    return say(
      `${text} A photo already works: ${gets} ${partOf(state, recipe)}${mayGo ? ELSE : ""}.`,
    );
  }
  return say(disclosureOf(state, recipe, mayGo, api));
}

export function phraseSent({ kind, bytes, earlier = [] }) {
  const names = { copy: "a copy", file: "the file" };
  const sizes = [...earlier, bytes].map(formatBytes).join(" and ");
  return kind === "pixels" ? `${sizes} of pixels` : `${names[kind]}, ${sizes}`;
}

/**
 * Return where an answer was computed, and what was sent for it or with a correction: "On this
 * device in 41 ms; sent: numbers and a copy, 18 kB". `hasApp` tells whether an app gets the numbers
 * of a device's answer, `isLink` whether the answer is from a link, perhaps of another visitor.
 */
export function sourceOf(answer, hasApp, isLink, api) {
  const isOnDevice = answer.where === "device";
  if (isLink) {
    if (isOnDevice) return "On a device";
    return answer.from_pixels ? "On the server, from pixels" : "On the server";
  }
  const place = `On ${isOnDevice ? "this device" : serverOf(api)}${withinOf(answer)}`;
  const { copy, sent } = answer;
  const numbers = sent !== null && isOnDevice && hasApp && `numbers${copy ? "" : " only"}`;
  const parts = [
    sent ? phraseSent(sent) : numbers,
    copy && phraseSent({ kind: "copy", bytes: copy }),
  ];
  const said = parts.filter(Boolean).join(" and ");
  const lost = sent === null ? "; the server may have got the photo before a reload" : "";
  if (said) return `${place}${lost}; sent: ${said}`;
  return `${place}${lost || (isOnDevice ? "; nothing was sent" : "")}`;
}

function withinOf({ milliseconds }) {
  // An answer that the browser no longer keeps has none.
  if (milliseconds === null) return "";
  if (milliseconds >= 1000) return ` in ${(milliseconds / 1000).toFixed(1)} s`;
  return ` in ${milliseconds < 1 ? "under 1" : milliseconds.toFixed(0)} ms`;
}

/** Return the graph or engine and the version of an answer: "small graph, version 5252c99". */
export function engineOf({ prediction }) {
  const how = prediction.graph ? `${prediction.graph} graph` : `${prediction.engine} engine`;
  return `${how}, version ${prediction.version.slice(0, 7)}`;
}
