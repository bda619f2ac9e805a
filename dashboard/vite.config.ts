import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// In development the API is another program: the real one, or `npm run mock`.
const api = process.env.CULVERT_API ?? "http://127.0.0.1:8788";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // These know light-dark(), in which every colour is written once for both themes.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Everything in files of their own: the Content-Security-Policy allows nothing inline.
    assetsInlineLimit: 0,
    // The licences of what is in the bundle go with it.
    license: { fileName: "licences.md" },
    modulePreload: { polyfill: false },
  },
  server: { host: "127.0.0.1", proxy: { "/client/v4": { target: api, ws: true } } },
});
