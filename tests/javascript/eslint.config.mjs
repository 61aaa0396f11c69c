/** Only what a type checker doesn't find: `js.configs.recommended`, and braces around long bodies. */

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
];
