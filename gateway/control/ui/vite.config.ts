import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";

/** Packages that change together, and are needed by every page; the rest is split by the pages that need it. */
function chunkOf(id: string): string | undefined {
  if (/\/node_modules\/(react|react-dom|scheduler|react-router|@tanstack)\//.test(id)) return "react";
  if (/\/node_modules\/(@mantine\/(core|hooks|notifications)|@floating-ui|clsx)\//.test(id)) return "mantine";
  return undefined;
}

/** Imports each icon from its own file: the package's index would have six thousand read for the few that are drawn. */
function icons(): Plugin {
  const index = /import \{([^}]+)\} from "@tabler\/icons-react";/g;
  return {
    name: "icons",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("/ui/src/") || !code.includes("@tabler/icons-react")) return null;
      return code.replace(index, (_, names: string) =>
        names
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name && !name.startsWith("type "))
          .map((name) => {
            const [icon, local = icon] = name.split(/\s+as\s+/);
            return `import ${local} from "@tabler/icons-react/icons/${icon}";`;
          })
          .join(" "),
      );
    },
  };
}

export default defineConfig({
  base: "/ui/",
  plugins: [icons(), react()],
  cacheDir: "../../../build/ui/vite",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    // Everything is asked of the gateway itself: nothing is inlined as a data: address, no polyfill is injected.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    rollupOptions: { output: { manualChunks: chunkOf } },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8080", "/v1": "http://127.0.0.1:8080" } },
});
