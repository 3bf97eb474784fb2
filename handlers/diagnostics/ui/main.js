/* SPDX-License-Identifier: MIT
 *
 * main.js - the page: what was captured, what is chosen of it, and the view that shows it.
 *
 * Flow: a form or the heatmap -> takeProfile -> addCapture -> choose -> draw
 */
import { byId, make, setOptions } from "./dom.js";
import { drawFlame } from "./flame.js";
import { formatShare, formatSigned, formatTime, formatValue } from "./format.js";
import { drawHeatmap } from "./heatmap.js";
import { readProfile } from "./profile.js";
import { buildFile, readSaved } from "./save.js";
import { GROUPS, PROFILER, changeOf, labelValues, makeLines, makeSandwich, makeStacks, makeTop, makeTree } from "./stacks.js";
import { drawSource, drawTop } from "./table.js";
import "./ui.css"; /* after the library's */

const CAPTURES_MAX = 12;
const NODES_MAX = 60000;
const VIEWS = [["flame", "Flame"], ["icicle", "Icicle"], ["sandwich", "Sandwich"], ["top", "Top"], ["source", "Source"]];
const KEYS = [
  ["/", "search"], ["Esc", "clear the search, zoom out"], ["1 – 5", "views"], ["c", "capture"],
  ["g", "group by the next label"], ["b", "compare with the capture before, or with none"],
  ["arrow keys", "walk over the frames of a flame graph that has the focus"], ["Enter", "zoom to the frame"],
  ["arrow keys, Enter", "choose a second of the heatmap that has the focus; with Shift, what to compare with"],
  ["s", "sandwich of the frame"], ["l", "its source lines"], ["?", "this list"]];

const page = {
  captures: [], /* {id, title, bytes, profile} */
  nextId: 1,
  view: "flame",
  function: "", /* of sandwich and source */
  sort: "",
  flames: [],
  set: null,
  unit: "",
  history: null,
  isBusy: false,
  saved: null,
};

/* --- what is said --- */

function say(text, isBad = false) {
  byId("status").textContent = text;
  byId("status").className = isBad ? "bad" : "";
}

function describe(data) {
  const { set, unit } = page;
  const parts = [data.name, formatValue(data.now, unit), formatShare(data.now, set.now)];
  if (set.isDiff) {
    const words = { new: "appeared", gone: "vanished" };
    const change = changeOf(data.now, data.base);
    parts.push(`base ${formatValue(data.base, unit)}`, `change ${formatSigned(data.now - data.base, unit)}`,
               words[change] ?? (data.base === 0 ? "" : formatShare(data.now - data.base, Math.abs(data.base))));
  }
  return parts.join("  ·  ");
}

function point(data) {
  byId("details").textContent = data === null ? "\u00a0" : describe(data);
}

/* --- captures --- */

function captureOf(id) {
  return page.captures.find((one) => String(one.id) === id) ?? null;
}

function listCaptures() {
  const options = page.captures.map((one) => [String(one.id), one.title]);
  setOptions(byId("current"), options);
  setOptions(byId("base"), [["", "nothing"], ...options]);
}

async function addCapture(title, bytes) {
  const capture = { id: page.nextId++, title, bytes, profile: await readProfile(bytes) };
  page.captures.push(capture);
  while (page.captures.length > CAPTURES_MAX) {
    page.captures.splice(page.captures.findIndex((one) => String(one.id) !== byId("base").value), 1);
  }
  listCaptures();
  return capture;
}

/* choose shows a capture; the base stays where the two can be compared. */
function choose(capture) {
  byId("current").value = String(capture.id);
  onCaptureChosen();
}

function isSameKind(a, b) {
  return a.profile.types.some((one) => b.profile.types.some((other) => one.type === other.type));
}

function onCaptureChosen() {
  const capture = captureOf(byId("current").value);
  const base = captureOf(byId("base").value);
  if (capture === null) {
    return;
  }
  if (base !== null && (base === capture || !isSameKind(base, capture))) {
    byId("base").value = "";
  }
  const { profile } = capture;
  const kind = profile.types.map((one) => one.type).join();
  setOptions(byId("type"), profile.types.map((one, i) => [String(i), one.type]));
  if (byId("type").dataset.kind !== kind) {
    byId("type").dataset.kind = kind;
    byId("type").value = String(profile.defaultType);
  }
  URL.revokeObjectURL(byId("download").href);
  byId("download").href = URL.createObjectURL(new Blob([capture.bytes], { type: "application/octet-stream" }));
  draw();
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) {
    throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
  }
  return answer;
}

/* during runs something that takes time, and says how it goes. */
async function during(text, seconds, run) {
  if (page.isBusy) {
    return;
  }
  page.isBusy = true;
  byId("capture").disabled = byId("past").disabled = true;
  const end = Date.now() + 1000 * seconds;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    say(left > 0 ? `${text}, ${left} s left` : `${text} …`);
  };
  tick();
  const timer = setInterval(tick, 250);
  try {
    await run();
    clearInterval(timer);
    sayWhatIsShown();
  } catch (error) {
    clearInterval(timer);
    say(error.message, true);
  } finally {
    page.isBusy = false;
    byId("capture").disabled = byId("past").disabled = false;
  }
}

async function takeProfile(path, title) {
  const answer = await ask(path);
  return addCapture(title, new Uint8Array(await answer.arrayBuffer()));
}

function hasSeconds(name) {
  return name === "profile" || byId("seconds").value !== "";
}

function capture() {
  const name = byId("profile").value;
  const seconds = byId("seconds").value;
  const isTimed = hasSeconds(name);
  const query = isTimed ? `?seconds=${encodeURIComponent(seconds || 5)}` : "";
  const share = name === "profile" ? "&share=1" : "";
  return during(`Capturing ${name}`, isTimed ? Number(seconds || 5) : 0, async () => {
    choose(await takeProfile(`../${encodeURIComponent(name)}${query}${share}`,
                             `${name} ${formatTime(Date.now())}${isTimed ? `, ${seconds || 5} s` : ""}`));
  });
}

function showPast() {
  const ago = Math.max(1, Number(byId("ago").value) || 60);
  return during("Reading the history", 0, async () => {
    choose(await takeProfile(`../profile?ago=${ago}s&seconds=${ago}`, `last ${ago} s at ${formatTime(Date.now())}`));
    await refreshHistory();
  });
}

/* --- the history --- */

function heatParts() {
  return { box: byId("heat-box"), canvas: byId("heat"), names: byId("heat-names"), now: byId("heat-now"),
           base: byId("heat-base"), tip: byId("heat-tip") };
}

function secondText(second) {
  return formatTime(page.history.start_ms + 1000 * second);
}

function drawHistory() {
  if (page.history !== null && !byId("history").hidden) {
    page.heat = drawHeatmap(heatParts(), page.history,
                            { key: byId("history-rows").value, onSpan: showSpan, textOf: secondText });
  }
}

async function refreshHistory() {
  page.history = await (await ask("history")).json();
  byId("history").hidden = false;
  byId("history-span").textContent = `${page.history.seconds} s`;
  byId("heat-now").hidden = byId("heat-base").hidden = true;
  drawHistory();
}

function showSpan(first, count, isBase) {
  const { history } = page;
  page.heat.choose(first, count, isBase);
  const title = `${secondText(first)}, ${count} s of the past`;
  return during("Reading the history", 0, async () => {
    const taken = await takeProfile(`../profile?from=${history.start_ms + 1000 * first}&seconds=${count}`, title);
    if (isBase) {
      byId("base").value = String(taken.id);
      onCaptureChosen();
    } else {
      choose(taken);
    }
  });
}

/* --- views --- */

function matcher() {
  const text = byId("search").value;
  if (text === "") {
    return null;
  }
  const pattern = /^\/(.+)\/$/.exec(text);
  if (pattern !== null) {
    try {
      const expression = new RegExp(pattern[1], "i");
      return (name) => expression.test(name);
    } catch {
      return () => false;
    }
  }
  const wanted = text.toLowerCase();
  return (name) => name.toLowerCase().includes(wanted);
}

function options() {
  return {
    type: Number(byId("type").value) || 0,
    group: byId("group").value,
    scale: byId("scale").value,
    filter: { route: byId("route").value, thread: byId("thread").value },
  };
}

function listLabels(profiles) {
  for (const key of ["route", "thread"]) {
    const values = labelValues(profiles, key);
    const but = values.includes(PROFILER) ? [[`!${PROFILER}`, "all but the profiler's own"]] : [];
    setOptions(byId(key), [["", "all"], ...but, ...values.map((value) => [value, value])]);
  }
}

function flameOptions(isIcicle) {
  return { isDiff: page.set.isDiff, isIcicle, describe, onPoint: point, onOpen: openFrame };
}

function openFrame(data, key) {
  if (key === "s" || (key === "l" && page.saved === null)) {
    page.function = data.name;
    setView(key === "s" ? "sandwich" : "source");
    return true;
  }
  return false;
}

function legend() {
  const kinds = [["more", "more than the base"], ["less", "less"], ["new", "appeared"], ["gone", "vanished"], ["same", "the same"]];
  return make("div", { class: "legend" }, ...kinds.map(([kind, text]) => make("span", {}, make("i", { class: `c-${kind}` }), text)));
}

function flameBox(view, tree, isIcicle) {
  const box = make("div");
  view.append(box);
  page.flames.push(drawFlame(box, tree, flameOptions(isIcicle)));
}

function functionPicker(view) {
  const rows = makeTop(page.set).sort((a, b) => b.cum + b.baseCum - a.cum - a.baseCum);
  if (!rows.some((row) => row.name === page.function)) {
    page.function = [...rows].sort((a, b) => b.flat + b.baseFlat - a.flat - a.baseFlat)[0].name;
  }
  const picker = make("select", { onchange: () => { page.function = picker.value; draw(); }, "aria-label": "Function" },
                      ...rows.slice(0, 300).map((row) => make("option", { value: row.name }, row.name)));
  if (picker.querySelector(`option[value=${CSS.escape(page.function)}]`) === null) {
    picker.append(make("option", { value: page.function }, page.function));
  }
  picker.value = page.function;
  view.append(make("p", {}, make("label", {}, "Function ", picker)));
}

function drawSandwich(view) {
  functionPicker(view);
  const { callers, callees } = makeSandwich(page.set, page.function);
  view.append(make("h2", {}, `Who calls ${page.function}`));
  flameBox(view, callers, false);
  view.append(make("h2", {}, `What ${page.function} calls`));
  flameBox(view, callees, true);
}

async function drawSourceView(view) {
  functionPicker(view);
  const box = make("div");
  view.append(box);
  const { profile } = captureOf(byId("current").value);
  const name = page.function;
  const { lines, site } = makeLines(profile, options(), name);
  const { file } = profile.functions.find((one) => one.name === name) ?? { file: "" };
  const show = (text, missing) => drawSource(box, lines, text, { name, file, missing, unit: page.unit, total: page.set.now });
  if (page.saved !== null || site === null) {
    show(null, "The source is not in this file.");
    return;
  }
  try {
    show(await (await ask(`source?pc=${site.address}&depth=${site.depth}`)).text(), "");
  } catch (error) {
    show(null, error.message);
  }
}

function countNodes(node) {
  return node.children.reduce((sum, child) => sum + countNodes(child), 1);
}

/* A tree that would hold the browser is drawn without its smallest frames. */
function prune(tree) {
  let count = countNodes(tree);
  for (let share = 1e-5; count > NODES_MAX; share *= 4) {
    const least = tree.value * share;
    const cut = (node) => {
      node.children = node.children.filter((child) => child.value >= least);
      node.children.forEach(cut);
    };
    cut(tree);
    count = countNodes(tree);
  }
  return tree;
}

function drawView(view) {
  switch (page.view) {
  case "sandwich": drawSandwich(view); break;
  case "source": drawSourceView(view); break;
  case "top":
    drawTop(view, makeTop(page.set), page.set, {
      unit: page.unit, sort: page.sort, matches: matcher(),
      onSort: (column) => { page.sort = column; draw(); },
      onFunction: (name) => { page.function = name; setView("sandwich"); },
      onSource: (name) => { page.function = name; setView("source"); } });
    break;
  default: flameBox(view, prune(makeTree(page.set)), page.view === "icicle");
  }
}

function draw() {
  const current = captureOf(byId("current").value);
  const base = captureOf(byId("base").value);
  const view = byId("view");
  page.flames = [];
  point(null);
  byId("scale-box").hidden = base === null;
  if (current === null) {
    return;
  }
  listLabels(base === null ? [current.profile] : [current.profile, base.profile]);
  try {
    page.set = makeStacks(current.profile, base === null ? null : base.profile, options());
  } catch (error) {
    say(error.message, true);
    return;
  }
  page.unit = current.profile.types[options().type].unit;
  view.replaceChildren();
  if (page.set.stacks.every((stack) => stack.now === 0 && stack.base === 0)) {
    view.append(make("p", { class: "empty" }, "No samples: the server did nothing that this profile counts, or the filter leaves nothing."));
  } else {
    if (page.set.isDiff) {
      view.append(legend());
    }
    drawView(view);
  }
  search();
  sayWhatIsShown();
  remember();
}

function sayWhatIsShown() {
  const current = captureOf(byId("current").value);
  const base = captureOf(byId("base").value);
  if (current === null || page.set === null) {
    say("");
    return;
  }
  const { profile } = current;
  const parts = [`${current.title}: ${formatValue(page.set.now, page.unit)}`];
  if (profile.duration_s > 0) {
    parts.push(`in ${profile.duration_s.toFixed(1)} s`);
  }
  if (base !== null) {
    parts.push(`against ${base.title}: ${formatValue(page.set.base, page.unit)}${
      base.profile.duration_s > 0 ? ` (of ${base.profile.duration_s.toFixed(1)} s)` : ""}`,
      `change ${formatSigned(page.set.now - page.set.base, page.unit)}`);
  }
  say([...parts, ...profile.comments].join("  ·  "));
}

function search() {
  const matches = matcher();
  if (page.view === "top") {
    byId("found").textContent = "";
    return;
  }
  const shares = page.flames.map((flame) => flame.search(matches));
  byId("found").textContent = matches === null || shares.length === 0 ? ""
    : `${(100 * Math.max(...shares)).toFixed(2)} % found`;
}

function setView(name) {
  page.view = name;
  for (const tab of byId("views").children) {
    tab.setAttribute("aria-selected", String(tab.dataset.view === name));
  }
  draw();
}

/* --- the address keeps what is chosen, so that a page can be sent to others --- */

const REMEMBERED = ["profile", "seconds", "group", "scale", "route", "thread", "search"];

function readState() {
  return { view: page.view, function: page.function,
           ...Object.fromEntries(REMEMBERED.map((id) => [id, byId(id).value])) };
}

function remember() {
  if (page.saved === null) {
    const chosen = Object.entries(readState()).filter(([, value]) => value !== "");
    history.replaceState(null, "", `#${new URLSearchParams(Object.fromEntries(chosen))}`);
  }
}

function recall(state) {
  for (const id of REMEMBERED) {
    const element = byId(id);
    if (state[id] === undefined) {
      continue;
    }
    if (element.tagName === "SELECT" && ![...element.options].some((one) => one.value === state[id])) {
      element.append(make("option", { value: state[id] }, state[id]));
    }
    element.value = state[id];
  }
  page.function = state.function ?? "";
  if (VIEWS.some(([view]) => view === state.view)) {
    page.view = state.view;
  }
}

/* --- keys and buttons --- */

function nextOf(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  draw();
}

function toggleBase() {
  const at = page.captures.findIndex((one) => String(one.id) === byId("current").value);
  byId("base").value = byId("base").value === "" && at > 0 ? String(page.captures[at - 1].id) : "";
  onCaptureChosen();
}

function showHelp() {
  const dialog = byId("help");
  dialog.replaceChildren(
    make("table", {}, ...KEYS.map(([key, text]) => make("tr", {}, make("td", {}, make("kbd", {}, key)), make("td", {}, text)))),
    make("button", { onclick: () => dialog.close() }, "Close"));
  dialog.showModal();
}

function onKey(event) {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "Escape" && !byId("help").open) {
    byId("search").value = "";
    byId("search").blur();
    page.flames.forEach((flame) => flame.reset());
    search();
    remember();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const view = VIEWS[Number(event.key) - 1];
  const actions = { "/": () => byId("search").focus(), "?": showHelp, g: () => nextOf(byId("group")), b: toggleBase,
                    c: () => { if (page.saved === null) { capture(); } } };
  if (view !== undefined) {
    setView(view[0]);
  } else if (Object.hasOwn(actions, event.key)) {
    actions[event.key]();
  } else {
    return;
  }
  event.preventDefault();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  drawHistory();
}

function switchTheme() {
  const isDark = document.documentElement.dataset.theme === "dark" ||
    (document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  setTheme(isDark ? "light" : "dark");
}

function offer(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/html" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function save() {
  const shown = [captureOf(byId("current").value), captureOf(byId("base").value)].filter((one) => one !== null);
  try {
    offer("toq-profile.html", await buildFile(readState(), shown));
  } catch (error) {
    say(error.message, true);
  }
}

function listen() {
  byId("take").addEventListener("submit", (event) => { event.preventDefault(); capture(); });
  byId("past").addEventListener("click", showPast);
  byId("history-refresh").addEventListener("click", () => during("Reading the history", 0, refreshHistory));
  byId("history-rows").addEventListener("change", drawHistory);
  byId("current").addEventListener("change", onCaptureChosen);
  byId("base").addEventListener("change", onCaptureChosen);
  for (const id of ["type", "group", "route", "thread", "scale"]) {
    byId(id).addEventListener("change", draw);
  }
  byId("search").addEventListener("input", () => { if (page.view === "top") { draw(); } else { search(); } remember(); });
  byId("save").addEventListener("click", save);
  byId("theme").addEventListener("click", switchTheme);
  byId("profile").addEventListener("change", () => { byId("seconds").value = byId("profile").value === "profile" ? "5" : ""; });
  document.addEventListener("keydown", onKey);
  let timer = null;
  window.addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { drawHistory(); draw(); }, 200);
  });
}

function fillChoices() {
  setOptions(byId("group"), GROUPS.map((name) => [name, name]));
  byId("views").replaceChildren(...VIEWS.map(([view, title], i) => make(
    "button", { role: "tab", "data-view": view, title: `Key: ${i + 1}`, "aria-selected": String(view === page.view),
                onclick: () => setView(view) }, title)));
}

/* --- start --- */

async function startSaved(saved) {
  document.body.classList.add("saved");
  byId("save").hidden = true;
  recall(saved.state);
  fillChoices();
  for (const one of saved.captures) {
    await addCapture(one.title, one.bytes);
  }
  byId("base").value = page.captures[1] === undefined ? "" : String(page.captures[1].id);
  choose(page.captures[0]);
}

async function startLive() {
  const facts = await (await ask("profiles")).json();
  setOptions(byId("profile"), facts.profiles.filter((one) => one.missing === undefined)
    .map((one) => [one.name, one.name === "profile" ? "profile (CPU)" : one.name]));
  byId("profile").value = "profile";
  byId("seconds").max = String(facts.max_seconds);
  byId("ago-box").hidden = facts.history_seconds === 0;
  byId("ago").max = String(facts.history_seconds);
  byId("ago").value = String(Math.max(1, Math.min(60, facts.history_seconds)));
  recall(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
  fillChoices();
  if (facts.history_seconds > 0) {
    await showPast();
  } else {
    byId("view").append(make("p", { class: "empty" }, "Choose a profile and press Capture."));
  }
}

async function start() {
  fillChoices();
  listen();
  page.saved = readSaved();
  try {
    await (page.saved === null ? startLive() : startSaved(page.saved));
  } catch (error) {
    say(error.message, true);
  }
}

start();
