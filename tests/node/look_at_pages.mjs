// Looks at pages as people do who read them on a phone, by day and in the dark: look_at_pages.mjs MODULES URL PATH…
// Prints what is wrong: wider than the screen, texts that stand out too little from what is behind them (WCAG 2.2, 1.4.3),
// links, pictures and tables that have no name, pages without title, heading, language or landmark, and what the console says.
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, ...paths] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(path.join(modules, "playwright-core/index.mjs")));

const look = () => {
  const wrong = [];
  const expect = (holds, what) => holds || wrong.push(what);
  const root = document.documentElement;
  expect(root.scrollWidth <= window.innerWidth, `is ${root.scrollWidth} wide, and the screen ${window.innerWidth}`);
  expect(document.title.trim(), "has no title");
  expect(root.lang, "has no language");
  expect(document.querySelectorAll("h1").length === 1, "has not one heading");
  expect(document.querySelectorAll("main").length === 1, "has not one main part");
  for (const nav of document.querySelectorAll("nav")) expect(nav.getAttribute("aria-label"), "has navigation without a name");
  for (const link of document.querySelectorAll("a[href]")) expect(link.textContent.trim(), `has a link without a name: ${link.href}`);
  for (const picture of document.querySelectorAll("img")) expect(picture.alt, `has a picture without words: ${picture.src}`);
  for (const head of document.querySelectorAll("th")) expect(head.textContent.trim(), "has a column without a name");
  for (const drawn of document.querySelectorAll("[role=img]")) expect(drawn.getAttribute("aria-label"), "has a drawing without words");
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  expect(new Set(ids).size === ids.length, "has an id twice");

  // What a colour is, over what is behind it.
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (behind, colour) => {
    pixel.fillStyle = `rgb(${behind.join()})`;
    pixel.fillRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const ground = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const behind = (one) => over(one.parentElement ? behind(one.parentElement) : ground, getComputedStyle(one).backgroundColor);
  const light = (colour) => {
    const [r, g, b] = colour.map((n) => n / 255).map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = new Set();
  for (const one of document.body.querySelectorAll("*")) {
    const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
    if (!own || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(one.tagName)) continue;
    const style = getComputedStyle(one), there = behind(one);
    const [less, more] = [light(there), light(over(there, style.color))].sort((a, b) => a - b);
    const contrast = (more + 0.05) / (less + 0.05);
    const kind = `${one.tagName}.${one.className}`;
    if (contrast < 4.5 && !seen.has(kind)) wrong.push(`${kind} stands out by ${contrast.toFixed(1)} only: ${own.slice(0, 30)}`);
    seen.add(kind);
  }
  return wrong;
};

const browser = await chromium.launch({
  executablePath: process.env.FRAZIL_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const wrong = [];
for (const colorScheme of ["light", "dark"]) {
  const context = await browser.newContext({ viewport: { width: 360, height: 640 }, colorScheme });
  const tab = await context.newPage();
  const said = (text) => wrong.push(`${tab.url()} says ${text}`);
  tab.on("console", (message) => message.type() === "error" && !message.location().url.endsWith("/favicon.ico") && said(message.text()));
  tab.on("pageerror", (error) => said(String(error)));
  for (const one of paths) {
    const answer = await tab.goto(url + one, { waitUntil: "load" });
    if (answer.status() !== 200) wrong.push(`${one}: ${answer.status()}`);
    for (const what of await tab.evaluate(look)) wrong.push(`${one} (${colorScheme}) ${what}`);
    if (process.env.FRAZIL_PICTURES) await tab.screenshot({ path: path.join(process.env.FRAZIL_PICTURES, `${one.replaceAll("/", "_")}-${colorScheme}.png`), fullPage: true });
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify({ wrong }));
