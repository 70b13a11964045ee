// Opens the page of a job on a server that wants a token, as a person does: follow_job.mjs MODULES URL TOKEN
// Prints what the page showed when the job was over, what the list of jobs is called that is opened from there, and cookies.
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, token] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(path.join(modules, "playwright-core/index.mjs")));
const browser = await chromium.launch({
  executablePath: process.env.FRAZIL_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const context = await browser.newContext();
const tab = await context.newPage();
const wrong = [];
tab.on("pageerror", (error) => wrong.push(String(error)));
const first = (await tab.goto(url)).status();
await tab.fill("#token", "not a token");
await tab.click("button");
await tab.fill("#token", token);
await tab.click("button");
await tab.waitForFunction(() => document.getElementById("events")?.textContent.endsWith("  successful\n"));
await tab.waitForFunction(() => document.getElementById("status").textContent === "successful");
const events = (await tab.textContent("#events")).trim().split("\n").map((line) => line.split("  ")[1]);
// Another page of the same tab, by a link.
await tab.click("nav a:has-text('Jobs')");
await tab.waitForSelector("h1:has-text('Jobs')");
const jobs = await tab.textContent("h1");
console.log(JSON.stringify({ first, events, jobs, cookies: await context.cookies(), wrong }));
await browser.close();
