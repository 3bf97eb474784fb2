// SPDX-License-Identifier: MIT
//
// look.js - looks at the page at /debug/pprof/ui/ as its reader does, and prints what it saw as JSON.
//
// node look.js PPROF_URL TOKEN FOLDER: pictures, captures and the saved page are left in FOLDER, in
// which hostile.pb.gz is there: a profile whose names are HTML. The page is reached through a proxy
// that has a prefix of its own.
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");
const { pathToFileURL } = require("url");
const { chromium } = require("playwright-core");

const [, , target, token, folder] = process.argv;
const PREFIX = "/some/prefix";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const saw = { problems: [], challenges: 0 };

function startProxy() {
  const proxy = http.createServer((request, answer) => {
    if (!request.url.startsWith(PREFIX)) {
      answer.writeHead(404).end();
      return;
    }
    const headers = { ...request.headers, host: new URL(target).host };
    const passed = http.request(target + request.url.slice(PREFIX.length), { method: request.method, headers },
                                (from) => from.pipe(answer.writeHead(from.statusCode, from.rawHeaders)));
    passed.on("error", (error) => answer.destroy(error));
    request.pipe(passed);
  });
  return new Promise((resolve) => proxy.listen(0, "127.0.0.1", () => resolve(proxy)));
}

// Whatever goes wrong in a page is a problem.
function watch(page) {
  page.on("console", (message) => {
    const isBad = message.type() === "error" || message.type() === "warning" || message.text().startsWith("CSP");
    if (isBad && !message.text().includes("401 (Unauthorized)")) {
      saw.problems.push(`console: ${message.text()} ${message.location().url}`);
    }
  });
  page.on("pageerror", (error) => saw.problems.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => { saw.problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("response", (answer) => {
    // The first answer asks for the password, once.
    if (answer.status() === 401) {
      saw.challenges++;
    } else if (answer.status() >= 400) {
      saw.problems.push(`${answer.status()} ${answer.url()}`);
    }
  });
  return page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) =>
    console.log(`CSP: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`)));
}

const framesOf = (page) => page.$$eval("#view g.frame", (frames) => frames.map((frame) => ({
  name: frame.getAttribute("name"), width: frame.querySelector("rect").getBoundingClientRect().width,
  fill: frame.querySelector("rect").getAttribute("fill") })));
const captures = (page) => page.$$eval("#current option", (options) => options.length);
const picture = (page, name) => page.screenshot({ path: path.join(folder, name) });

async function idle(page) {
  await page.waitForFunction(() => !document.getElementById("capture").disabled);
}

// Runs what makes a capture and waits until it is shown.
async function taking(page, run) {
  const before = await captures(page);
  await run();
  await page.waitForFunction((count) => document.querySelectorAll("#current option").length > count ||
    document.querySelector("#status.bad") !== null, before);
  await idle(page);
  await page.waitForSelector("#view g.frame");
}

async function choose(page, id, value) {
  await page.selectOption(`#${id}`, value);
}

async function capture(page) {
  await page.fill("#seconds", "1");
  await taking(page, () => page.click("#capture"));
  return page.$eval("#current", (select) => select.value);
}

async function download(page, selector, name) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  await file.saveAs(path.join(folder, name));
}

const tableOf = (page) => page.$$eval("#view tbody tr", (rows) => rows.map((row) => ({
  name: row.querySelector("td.text").textContent, kind: row.className.trim(),
  ...Object.fromEntries([...row.querySelectorAll("td[data-column]")].map((cell) => [cell.dataset.column, Number(cell.title)])) })));

async function lookAtRoutes(page) {
  await choose(page, "group", "route");
  saw.grouped = await framesOf(page);
  await picture(page, "route-light.png");
  await choose(page, "route", "/health/live");
  saw.filtered = await framesOf(page);
  await choose(page, "route", "");
  await choose(page, "group", "none");
}

async function lookAtFlame(page) {
  await picture(page, "flame-light.png");
  const wanted = page.locator('#view g.frame[name*="handle_burn"]').first();
  const before = (await wanted.boundingBox()).width;
  await wanted.click();
  await page.waitForFunction((width) => document.querySelector('#view g.frame[name*="handle_burn"] rect')
    .getBoundingClientRect().width > width + 1, before);
  saw.clicked = { before, details: await page.textContent("#details") };
  await page.keyboard.press("ArrowDown");
  saw.below = await page.textContent("#details");
  await page.keyboard.press("Escape");
  await page.fill("#search", "HANDLE_BURN");
  saw.search = { found: await page.textContent("#found"), frames: await framesOf(page) };
  await page.keyboard.press("Escape");
}

async function lookAtDiff(page, base, now) {
  await choose(page, "current", now);
  await choose(page, "base", base);
  await choose(page, "group", "route");
  await choose(page, "scale", "share"); // how much CPU time there is depends on who else is at work here
  saw.diff = { frames: await framesOf(page), legend: await page.textContent("#view .legend") };
  await picture(page, "diff-light.png");
  await choose(page, "group", "none");
  await page.keyboard.press("4");
  for (const scale of ["absolute", "share", "duration"]) {
    await choose(page, "scale", scale);
    saw.diff[scale] = await tableOf(page);
  }
  await picture(page, "top-light.png");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "top-dark.png");
  await page.keyboard.press("1");
  await picture(page, "diff-dark.png");
  await page.emulateMedia({ colorScheme: "light" });
  await choose(page, "base", "");
}

async function lookAtPast(page) {
  await page.keyboard.press("1");
  const [answer] = await Promise.all([page.waitForResponse("**/ui/history"), page.click("#history-refresh")]);
  const past = await answer.json();
  await idle(page);
  const box = await page.locator("#heat").boundingBox();
  // The second in which a route took most.
  const busiest = (route) => past.rows.filter((row) => row.route === route).flatMap((row) => row.cells)
    .reduce((most, cell) => (cell[1] > most[1] ? cell : most))[0];
  const click = (route) => page.mouse.click(box.x + (box.width * (busiest(route) + 0.5)) / past.seconds, box.y + 5);
  await taking(page, () => click("/test/burn"));
  saw.past = { title: await page.$eval("#current option:checked", (option) => option.textContent),
               frames: await framesOf(page) };
  await page.keyboard.down("Shift");
  await taking(page, () => click("/health/live"));
  await page.keyboard.up("Shift");
  saw.past.base = await page.$eval("#base option:checked", (option) => option.textContent);
  saw.past.legend = await page.textContent("#view .legend");
  await page.emulateMedia({ colorScheme: "dark" });
  await choose(page, "base", "");
  await picture(page, "flame-dark.png");
  await page.emulateMedia({ colorScheme: "light" });
}

async function lookAtFunction(page, taken) {
  await choose(page, "current", taken);
  await page.keyboard.press("1");
  await page.locator('#view g.frame[name$=".handle_burn"]').first().click();
  await page.keyboard.press("s");
  await page.waitForSelector("#view h2");
  saw.sandwich = { titles: await page.$$eval("#view h2", (titles) => titles.map((title) => title.textContent)),
                   frames: await framesOf(page) };
  await picture(page, "sandwich-light.png");
  await page.keyboard.press("5");
  await page.waitForSelector("#view tr.hot");
  saw.source = { title: await page.textContent("#view h2"), hot: await page.textContent("#view tr.hot td.text"),
                 lines: await page.$$eval("#view tbody td.text", (cells) => cells.map((cell) => cell.textContent)) };
  await picture(page, "source-light.png");
}

// A file must need nobody.
async function lookAtSaved(browser, page) {
  await download(page, "#save", "saved.html");
  await download(page, "#download", "downloaded.pb.gz");
  const alone = await browser.newPage();
  await watch(alone);
  const asked = [];
  alone.on("request", (request) => asked.push(request.url()));
  await alone.goto(pathToFileURL(path.join(folder, "saved.html")).href);
  await alone.waitForSelector("#view g.frame");
  saw.saved = { asked, frames: await framesOf(alone), captures: await captures(alone) };
  await picture(alone, "saved-light.png");
  await alone.close();
}

// In place of ui.perfetto.dev: it says PONG to a PING, and notes what it is handed.
const VIEWER = "https://ui.perfetto.dev";
const VIEWER_PAGE = `<!DOCTYPE html><title>viewer</title><link rel="icon" href="data:,"><script>
  addEventListener("message", (event) => {
    if (event.data === "PING") { event.source.postMessage("PONG", event.origin); return; }
    const { buffer, ...rest } = event.data.perfetto;
    window.handed = { from: event.origin, bytes: buffer.byteLength, first: new Uint8Array(buffer)[0], ...rest };
  });
</script>`;

async function lookAtFlight(context, base) {
  await context.route(`${VIEWER}/**`, (route) => route.fulfill({ contentType: "text/html", body: VIEWER_PAGE }));
  const page = await context.newPage();
  await watch(page);
  await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
  const answer = await page.goto(`${base}/debug/flight/`);
  saw.flight = { policy: answer.headers()["content-security-policy"], base: new URL(base).origin };
  await page.fill("#ago", "120");
  saw.flight.link = await page.getAttribute("#save", "href");
  const [viewer] = await Promise.all([context.waitForEvent("page"), page.click("#open")]);
  await page.waitForFunction(() => document.querySelector("#said").textContent.startsWith("Opened"));
  saw.flight.said = await page.textContent("#said");
  await viewer.waitForFunction(() => window.handed);
  saw.flight.handed = await viewer.evaluate(() => window.handed);
  await picture(page, "flight-light.png");
  await download(page, "#save", "flight.pftrace");
  await viewer.close();
  await page.close();
}

async function lookAtHeap(page) {
  if (await page.locator('#profile option[value="heap"]').count() === 0) {
    return; // a sanitizer's malloc has none
  }
  await choose(page, "profile", "heap");
  await taking(page, () => page.click("#capture"));
  saw.heap = { all: (await framesOf(page)).map((frame) => frame.name) };
  await choose(page, "route", "!toq: profiler");
  saw.heap.rest = (await framesOf(page)).map((frame) => frame.name);
  await choose(page, "route", "");
  await choose(page, "profile", "profile");
}

async function lookAtHostile(page) {
  await page.route("**/profile?*", (route) => route.fulfill({ path: path.join(folder, "hostile.pb.gz") }));
  await capture(page);
  saw.hostile = { frames: await framesOf(page) };
  await choose(page, "group", "route");
  saw.hostile.grouped = await framesOf(page);
  for (const key of ["3", "4"]) {
    await page.keyboard.press(key);
  }
  saw.hostile.rows = (await tableOf(page)).map((row) => row.name);
  saw.hostile.elements = await page.$$eval("img, #view script, iframe, b", (found) => found.length);
  await picture(page, "hostile-light.png");
}

async function main() {
  const proxy = await startProxy();
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
  try {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 }, acceptDownloads: true, reducedMotion: "reduce",
      httpCredentials: { username: "any", password: token } });
    context.setDefaultTimeout(20000);
    const page = await context.newPage();
    await watch(page);
    const answer = await page.goto(`http://127.0.0.1:${proxy.address().port}${PREFIX}/debug/pprof/ui`);
    saw.policy = answer.headers()["content-security-policy"];
    await page.waitForSelector("#view g.frame");
    await idle(page);
    const past = await page.$eval("#current", (select) => select.value);
    await lookAtFlame(page);
    await lookAtRoutes(page);
    await download(page, "#download", "base.pb.gz");
    const now = await capture(page);
    saw.captured = await framesOf(page);
    await download(page, "#download", "now.pb.gz");
    await lookAtDiff(page, past, now);
    await lookAtFunction(page, past);
    await lookAtPast(page);
    await lookAtSaved(browser, page);
    await lookAtFlight(context, `http://127.0.0.1:${proxy.address().port}${PREFIX}`);
    await lookAtHeap(page);
    await lookAtHostile(page);
  } finally {
    await browser.close();
    proxy.close();
  }
}

main().then(() => process.stdout.write(JSON.stringify(saw)), (error) => {
  process.stdout.write(JSON.stringify(saw));
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
