/**
 * What a type checker doesn't find: `js.configs.recommended`, braces around long bodies, and modules
 * that would send something.
 */

import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.serviceworker } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
    },
  },
  {
    // What leaves the device is decided in one module; what the owner sends, in another.
    files: ["**/device/**"],
    ignores: ["visit/outgoing", "visit/server", "owner/send_photos"].map((one) => `**/device/${one}.mjs`),
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ regex: "/server\\.mjs$" }] }],
      "no-restricted-globals": ["error", "XMLHttpRequest", "WebSocket", "RTCPeerConnection"],
      "no-restricted-properties": ["error", { property: "sendBeacon" }],
      "no-restricted-syntax": [
        "error",
        "CallExpression[callee.name='fetch'] Property[key.name=/^(method|body)$/]",
        "ImportExpression[source.value=/server\\.mjs$/]",
        "NewExpression[callee.name='Request']",
      ],
    },
  },
];
