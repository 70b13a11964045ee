// Draws a level of a cube as a browser does: draw_levels.mjs MODULES URL VARIABLE TIME
// MapLibre with the layer of carbonplan, in a headless Chromium. Values from 0 to 30 are greys on green ground. Prints what
// was asked for, and the colours at some places, [longitude, latitude] each.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, variable, time, places] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(path.join(modules, "playwright-core/index.mjs")));

// What a bundler does: every name that a package gives, as the file that it stands for.
const imports = {};
const named = (target) => (target && typeof target === "object" ? named(target.import ?? target.browser ?? target.default) : target);
for (const name of ["@carbonplan/zarr-layer", "@developmentseed/raster-reproject", "zarrita", "@zarrita/storage", "numcodecs", "proj4", "delaunator",
  "robust-predicates", "mgrs", "wkt-parser", "fflate", "unzipit", "reference-spec-reader"]) {
  const folder = path.join(modules, name);
  if (!fs.existsSync(folder)) continue;
  const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
  const given = about.exports && typeof about.exports === "object" && "." in about.exports ? about.exports : { ".": about.exports ?? about.module ?? about.main };
  for (const [key, target] of Object.entries(given)) {
    const file = named(target);
    if (file) imports[path.posix.join(name, key)] = `/modules/${path.posix.join(name, file)}`;
  }
}
const page = `<!doctype html><html><body style="margin:0"><div id="map" style="width:360px;height:400px"></div>
<script src="/modules/maplibre-gl/dist/maplibre-gl.js"></script>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { ZarrLayer } from "@carbonplan/zarr-layer";
const style = { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": "#00ff00" } }] };
const map = new maplibregl.Map({ container: "map", style, center: [7, -5], zoom: 0, fadeDuration: 0, canvasContextAttributes: { preserveDrawingBuffer: true } });
window.map = map;
map.on("load", () => {
  const layer = new ZarrLayer({
    id: "zarr", source: ${JSON.stringify(url)}, variable: ${JSON.stringify(variable)}, zarrVersion: 3,
    selector: { time: ${Number(time)} }, clim: [0, 30], colormap: Array.from({ length: 256 }, (_, n) => [n, n, n]),
    onLoadingStateChange: (state) => { window.state = { ...state, error: state.error && String(state.error) }; },
  });
  map.addLayer(layer);
});
window.at = (lng, lat) => {
  const gl = map.getCanvas().getContext("webgl2");
  const { x, y } = map.project([lng, lat]);
  const scale = map.getPixelRatio();
  const pixel = new Uint8Array(4);
  gl.readPixels(Math.round(x * scale), gl.drawingBufferHeight - Math.round(y * scale), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return Array.from(pixel);
};
</script></body></html>`;

const browser = await chromium.launch({
  executablePath: process.env.FRAZIL_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--disable-dev-shm-usage"],
});
const tab = await browser.newPage({ viewport: { width: 360, height: 400 } });
const asked = new Set();
const said = [];
tab.on("console", (message) => said.push(message.text()));
tab.on("pageerror", (error) => said.push(String(error)));
await tab.route("**/*", (route) => {
  const { pathname } = new URL(route.request().url());
  if (pathname.endsWith("/map.html")) return route.fulfill({ contentType: "text/html", body: page });
  if (pathname.startsWith("/modules/")) {
    // Bundlers let imports leave out `.js`.
    const named = path.join(modules, pathname.slice("/modules/".length));
    const file = fs.existsSync(named) && !fs.statSync(named).isDirectory() ? named : `${named}.js`;
    if (!fs.existsSync(file)) { said.push(`no ${pathname}`); return route.fulfill({ status: 404, body: "" }); }
    return route.fulfill({ contentType: /\.m?js$/.test(file) ? "text/javascript" : "application/octet-stream", body: fs.readFileSync(file) });
  }
  asked.add(pathname);
  return route.continue();
});
await tab.goto(`${url}/map.html`);
let seen = "";
try {
  await tab.waitForFunction(() => window.state && !window.state.loading && !window.state.chunks && window.map.loaded(), null, { timeout: 15000 });
  await tab.waitForTimeout(300);
} catch (error) {
  seen = String(error);
}
const colours = await tab.evaluate((places) => window.at ? places.map(([lng, lat]) => window.at(lng, lat)) : [], JSON.parse(places));
const state = await tab.evaluate(() => window.state);
if (process.env.FRAZIL_PICTURE) await tab.screenshot({ path: process.env.FRAZIL_PICTURE });
await browser.close();
console.log(JSON.stringify({ colours, state, asked: [...asked].sort(), said, seen }));
