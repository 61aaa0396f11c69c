/**
 * The access to the camera and, where a page has none, the reason in words.
 */

const PHOTO_WORKS = "Taking a photo works all the same.";

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

/** Return the reason's name for an error of `getUserMedia`. */
export function reasonOf({ name }) {
  if (name === "NotFoundError") return "missing";
  // Browsers without `permissionsPolicy` refuse a frame in the same way as a visitor.
  if (name === "NotAllowedError") {
    return isForeignFrame() && !document.permissionsPolicy ? "frame" : "denied";
  }
  return name === "SecurityError" ? "policy" : "busy";
}

/** Return whether the page is in a frame of another site. */
function isForeignFrame() {
  try {
    return window.top !== window && !window.top.location.origin;
  } catch {
    return true;
  }
}
