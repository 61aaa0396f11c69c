/** A photo or model that is refused; `code` is one of `model/errors.py`, such as "too-large". */
export class LoupeError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "LoupeError";
    this.code = code;
  }
}

/** Codes about the photo itself: device and server refuse it alike. */
export const PHOTO_CODES = new Set(
  "missing empty too-large too-small too-many-pixels unsupported-format damaged invalid".split(" "),
);

/** Return an error's message. onnxruntime-web also throws numbers. @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Return the message to show for an error: its own, or `otherwise` for a browser's error.
 *
 * @type {(error: unknown, otherwise?: string) => string}
 */
export function phraseError(error, otherwise = "Something went wrong. Try again.") {
  // The server's messages are also for terminals.
  return error instanceof LoupeError ? error.message.replace(/(\w)'(?=\w)/g, "$1’") : otherwise;
}
