import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(ts.configs.recommended, hooks.configs.flat["recommended-latest"], {
  files: ["src/**/*.{ts,tsx}"],
  ignores: ["src/api/schema.d.ts"],
  rules: {
    "no-eval": "error",
    "no-restricted-properties": ["error", { property: "innerHTML" }, { property: "outerHTML" }],
    "no-restricted-syntax": [
      "error",
      { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text of others is never markup." },
    ],
    "max-lines": ["error", { max: 400 }],
  },
});
