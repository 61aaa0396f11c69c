/**
 * The camera: at most one open track, closed while the page is hidden, with the controls it has;
 * and the access to it or, where a page has none, the reason in words.
 */

const SIZE = { width: { ideal: 1280 }, height: { ideal: 960 } };
const TAKE_PHOTO_LIMIT_MS = 3000;
const ZOOMS = [1, 2, 3, 5];

export class Camera {
  /** "closed", "opening" or "open". */
  state = "closed";
  /** The reason why it can't be opened: a name in `REASONS`, or null. */
  problem = null;
  isMuted = false;
  isTorchOn = false;
  zoom = 1;
  #video;
  #onchange;
  #track = null;
  #devices = [];
  /** The camera that was used last. */
  #deviceId = null;
  /** Counts openings, so that a late one is undone. */
  #turn = 0;
  /** Open, or to be opened once the page is visible again. */
  isWanted = false;
  #listening = new AbortController();

  constructor(video, onchange) {
    this.#video = video;
    this.#onchange = onchange;
    const { signal } = this.#listening;
    document.addEventListener("visibilitychange", () => this.#followPage(), { signal });
  }

  /** Open the camera: the one that was used last, else the main rear one. */
  async open() {
    this.isWanted = true;
    if (this.state === "closed" && !document.hidden) await this.#open(this.#deviceId);
  }

  /** Close the camera, until the next `open`. */
  close() {
    this.isWanted = false;
    this.#stop();
  }

  destroy() {
    this.#listening.abort();
    this.#onchange = () => {};
    this.close();
  }

  /** True if the picture is mirrored, as that of a camera that faces its user. */
  get isMirrored() {
    return this.#track?.getSettings().facingMode === "user";
  }

  get canFlip() {
    return this.#devices.length > 1;
  }

  get hasTorch() {
    return Boolean(this.#capabilities.torch);
  }

  /** The zoom factors to choose from; with fewer than two there is no choice. */
  get zooms() {
    const { min, max } = this.#capabilities.zoom ?? {};
    if (!(max > min)) return [];
    const inside = ZOOMS.filter((zoom) => min < zoom && zoom <= max);
    return [min, ...inside];
  }

  /** Open the next camera: front and main rear, where the device says which is which. */
  async flip() {
    const { deviceId, facingMode } = this.#track?.getSettings() ?? {};
    if (facingMode === "environment") return this.#open(null, "user");
    if (facingMode === "user") return this.#open(null, "environment");
    const ids = this.#devices.map((device) => device.deviceId);
    return this.#open(ids[(ids.indexOf(deviceId) + 1) % ids.length]);
  }

  async toggleTorch() {
    // Set immediately, so that a second press turns it off again.
    const torch = (this.isTorchOn = !this.isTorchOn);
    if (!(await this.#apply({ torch })) && this.isTorchOn === torch) this.isTorchOn = !torch;
    this.#onchange();
  }

  async cycleZoom() {
    const next = this.zooms.find((zoom) => zoom > this.zoom + 0.01) ?? this.zooms[0];
    if (await this.#apply({ zoom: next })) this.zoom = next;
    this.#onchange();
  }

  /** Return a photo as the camera's own bytes, or null where it takes none within three seconds. */
  async takePhoto() {
    if (!("ImageCapture" in globalThis)) return null;
    let timer;
    const limit = new Promise((resolve) => {
      timer = setTimeout(resolve, TAKE_PHOTO_LIMIT_MS, null);
    });
    try {
      return await Promise.race([new ImageCapture(this.#track).takePhoto(), limit]);
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  get #capabilities() {
    return this.#track?.getCapabilities?.() ?? {};
  }

  /** Apply a setting; what the track reports of it afterwards lags behind on some phones. */
  async #apply(setting) {
    try {
      await this.#track.applyConstraints({ advanced: [setting] });
      return true;
    } catch {
      return false;
    }
  }

  async #open(deviceId, facing = "environment") {
    this.#stop();
    const turn = this.#turn;
    this.state = "opening";
    this.problem = null;
    this.#onchange();
    try {
      if (!(await this.#start(await request(deviceId, facing), turn))) return;
      const main =
        !deviceId && facing === "environment" && mainRearCamera(this.#devices, this.#track);
      if (main) {
        // Phones open one camera at a time.
        this.#track.stop();
        if (!(await this.#start(await request(main, facing), turn))) return;
      }
      this.#deviceId = this.#track.getSettings().deviceId;
      this.state = "open";
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#stop();
      this.problem = reasonOf(error);
    }
    this.#onchange();
  }

  /** Show a stream; return false if it came too late. */
  async #start(stream, turn) {
    const [track] = stream.getVideoTracks();
    if (turn !== this.#turn) {
      track.stop();
      return false;
    }
    this.#track = track;
    track.onmute = track.onunmute = () => {
      this.isMuted = track.muted;
      this.#onchange();
    };
    // The camera was unplugged or taken by the system: reopen it, or say why that fails.
    track.onended = () => this.#open(this.#deviceId);
    this.#video.srcObject = stream;
    const devices = await navigator.mediaDevices.enumerateDevices();
    await this.#video.play().catch(() => {});
    if (turn !== this.#turn) return false;
    this.#devices = devices.filter(({ kind }) => kind === "videoinput");
    return true;
  }

  #stop() {
    this.#turn += 1;
    if (this.#track) {
      this.#track.onmute = this.#track.onunmute = this.#track.onended = null;
      this.#track.stop();
    }
    this.#track = this.#video.srcObject = null;
    this.isMuted = this.isTorchOn = false;
    this.zoom = 1;
    this.state = "closed";
    this.#onchange();
  }

  /** Phones leave frozen or distorted pictures after sleep or time in the background. */
  #followPage() {
    if (document.hidden) this.#stop();
    else if (this.isWanted && this.state === "closed") this.#open(this.#deviceId);
  }
}

async function request(deviceId, facing) {
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: facing } };
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...SIZE, ...which } });
  } catch (error) {
    // The remembered camera is gone, or its number has changed.
    if (deviceId && error.name === "OverconstrainedError") return request(null, facing);
    throw error;
  }
}

/**
 * Return the number of the main rear camera if `track` is another rear one: many Android phones
 * open their ultra-wide for `environment`, and call the main one "camera 0".
 */
export function mainRearCamera(devices, track) {
  if (!/facing back/i.test(track.label) || MAIN_REAR.test(track.label)) return null;
  return devices.find(({ label }) => MAIN_REAR.test(label))?.deviceId ?? null;
}

const MAIN_REAR = /\bcamera2? 0, facing back/i;

const PHOTO_WORKS = "Taking a photo still works.";

/** Reasons for having no live picture, with what to do about it. */
export const REASONS = {
  insecure:
    "No live picture: browsers only allow camera access over HTTPS, and this page was opened over " +
    `HTTP. ${PHOTO_WORKS}`,
  unsupported: `No live picture: this browser doesn’t let pages use a camera. ${PHOTO_WORKS}`,
  missing:
    "No live picture: this device has no camera. Choose a photo, paste one or drop one here.",
  denied:
    "No live picture: the camera is blocked for this page. To allow it, open the site’s settings " +
    `beside the address. ${PHOTO_WORKS}`,
  busy:
    "No live picture: the camera can’t be opened, perhaps because another app has it. Close that " +
    `app and try again. ${PHOTO_WORKS}`,
  frame:
    "No live picture: the site around this page doesn’t let it use the camera. Open the page in a " +
    `tab of its own. ${PHOTO_WORKS}`,
  policy:
    "No live picture: this site doesn’t let its pages use the camera (Permissions-Policy). Its owner " +
    `can change that. ${PHOTO_WORKS}`,
  idle: "The camera was switched off after two minutes without use.",
};

/** Reasons after which opening the camera once more may work. */
export const CAN_RETRY = new Set(["busy", "denied"]);

/**
 * Return "granted" if the camera can be opened without a question, "prompt" if the browser will
 * ask, else the name of a reason.
 */
export async function cameraAccess() {
  if (!isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia) return "unsupported";
  const policy = document.permissionsPolicy ?? document.featurePolicy;
  if (policy && !policy.allowsFeature("camera")) return isForeignFrame() ? "frame" : "policy";
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  if (!devices.some(({ kind }) => kind === "videoinput")) return "missing";
  return (await permission())?.state ?? "prompt";
}

/** Call `onchange` when the visitor changes the permission in the browser's settings. */
export async function watchPermission(onchange, signal) {
  (await permission())?.addEventListener("change", onchange, { signal });
}

async function permission() {
  try {
    return await navigator.permissions.query({ name: "camera" });
  } catch {
    // Not every browser lists the camera.
    return null;
  }
}

export function reasonOf({ name }) {
  if (name === "NotFoundError") return "missing";
  // Browsers without `permissionsPolicy` refuse a frame in the same way as a visitor.
  if (name === "NotAllowedError") {
    return isForeignFrame() && !document.permissionsPolicy ? "frame" : "denied";
  }
  return name === "SecurityError" ? "policy" : "busy";
}

function isForeignFrame() {
  try {
    return window.top !== window && !window.top.location.origin;
  } catch {
    return true;
  }
}
