/** A photo or model that is refused; `code` is one of `model/errors.py`, such as "too-large". */
export class LoupeError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "LoupeError";
    this.code = code;
  }
}
