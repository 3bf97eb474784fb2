/* SPDX-License-Identifier: MIT
 *
 * table.js - the table of functions, and the lines of one.
 */
import { formatShare, formatSigned, formatValue } from "./format.js";
import { make } from "./dom.js";
import { changeOf } from "./stacks.js";

const ROWS_MAX = 500;
const CONTEXT_LINES = 6;

const PLAIN = [["flat", "Flat"], ["flatShare", "Flat %"], ["cum", "Cum"], ["cumShare", "Cum %"]];
const DIFF = [["flat", "Flat now"], ["baseFlat", "Flat base"], ["flatDelta", "Flat change"],
              ["cum", "Cum now"], ["baseCum", "Cum base"], ["cumDelta", "Cum change"],
              ["changeShare", "Change %"]];

function valueOf(row, column) {
  switch (column) {
  case "flatShare": return row.flat;
  case "cumShare": return row.cum;
  case "flatDelta": return row.flat - row.baseFlat;
  case "cumDelta":
  case "changeShare": return row.cum - row.baseCum;
  default: return row[column];
  }
}

function cellText(row, column, set, unit) {
  switch (column) {
  case "flatShare":
  case "cumShare": return formatShare(valueOf(row, column), set.now);
  case "flatDelta":
  case "cumDelta": return formatSigned(valueOf(row, column), unit);
  case "changeShare":
    return row.baseCum === 0 ? "new" : row.cum === 0 ? "gone"
      : (row.cum > row.baseCum ? "+" : "") + formatShare(row.cum - row.baseCum, row.baseCum);
  default: return formatValue(row[column], unit);
  }
}

function isChange(column) {
  return column.endsWith("Delta") || column === "changeShare";
}

/* Whether it is more, less, new or gone: of the function itself, or with what it calls. */
function kindOf(row, column) {
  return column === "flatDelta" ? changeOf(row.flat, row.baseFlat) : changeOf(row.cum, row.baseCum);
}

function compare(sort, a, b) {
  if (sort === "name") {
    return a.name < b.name ? -1 : 1;
  }
  const [x, y] = [valueOf(a, sort), valueOf(b, sort)];
  const rest = Math.abs(b.cum - b.baseCum) - Math.abs(a.cum - a.baseCum);
  return (isChange(sort) ? Math.abs(y) - Math.abs(x) : y - x) || rest || (a.name < b.name ? -1 : 1);
}

/* drawTop draws the rows of makeTop.
 *
 * options: {unit, sort, matches, onSort(column), onFunction(name), onSource(name) or null}. */
export function drawTop(box, rows, set, options) {
  const columns = set.isDiff ? DIFF : PLAIN;
  const sort = options.sort === "name" || columns.some(([column]) => column === options.sort)
    ? options.sort : set.isDiff ? "flatDelta" : "flat";
  const isFound = (row) => options.matches !== null && options.matches(row.name);
  const sorted = [...rows].sort((a, b) => isFound(b) - isFound(a) || compare(sort, a, b));
  const head = (column, title, isText) => make(
    "th", { class: isText ? "text" : "", "aria-sort": column === sort ? "descending" : "none" },
    make("button", { onclick: () => options.onSort(column) }, title + (column === sort ? " ▾" : "")));
  const line = (row) => make(
    "tr", { class: `${set.isDiff ? changeOf(row.cum, row.baseCum) : ""} ${isFound(row) ? "found" : ""}` },
    ...columns.map(([column]) => make(
      "td", { class: isChange(column) ? kindOf(row, column) : "",
              title: String(valueOf(row, column)), "data-column": column },
      cellText(row, column, set, options.unit))),
    make("td", { class: "text", title: row.file }, row.name),
    make("td", {}, make("button", { onclick: () => options.onFunction(row.name) }, "sandwich"),
         ...(options.onSource === null ? [] : [" ", make(
           "button", { onclick: () => options.onSource(row.name) }, "source")])));
  box.replaceChildren(make(
    "table", {},
    make("thead", {}, make("tr", {}, ...columns.map(([column, title]) => head(column, title, false)),
                           head("name", "Function", true), make("th"))),
    make("tbody", {}, ...sorted.slice(0, ROWS_MAX).map(line))));
  if (sorted.length > ROWS_MAX) {
    box.append(make("p", { class: "empty" }, `${sorted.length - ROWS_MAX} more functions: search for them.`));
  }
}

/* drawSource draws the lines around those that have samples.
 *
 * lines: makeLines'. options: {name, file, unit, total}. text: of the file; null: it is not there. */
export function drawSource(box, lines, text, options) {
  const numbers = [...lines.keys()].filter((line) => line > 0).sort((a, b) => a - b);
  const source = text === null ? null : text.split("\n");
  const first = Math.max(1, (numbers[0] ?? 1) - CONTEXT_LINES);
  const last = (numbers[numbers.length - 1] ?? 0) + CONTEXT_LINES;
  const hottest = Math.max(...[...lines.values()].map((line) => line.flat || line.cum / 2));
  const shown = [];
  for (let i = first; i <= Math.min(last, source === null ? last : source.length); i++) {
    if (source !== null || lines.has(i)) {
      shown.push(i);
    }
  }
  const row = (i) => {
    const line = lines.get(i);
    const isHot = line !== undefined && (line.flat || line.cum / 2) === hottest;
    return make("tr", { class: isHot ? "hot" : "" },
      make("td", {}, line ? formatValue(line.flat, options.unit) : ""),
      make("td", {}, line ? formatValue(line.cum, options.unit) : ""),
      make("td", {}, line ? formatShare(line.cum, options.total) : ""),
      make("td", {}, String(i)),
      make("td", { class: "text" }, source === null ? "" : source[i - 1]));
  };
  box.replaceChildren(
    make("h2", {}, `${options.name}  ${options.file}`),
    ...(source === null ? [make("p", { class: "empty" }, options.missing)] : []),
    make("table", {},
      make("thead", {}, make("tr", {}, ...["Flat", "Cum", "Cum %", "Line"].map((title) => make("th", {}, title)),
                             make("th", { class: "text" }, "Source"))),
      make("tbody", {}, ...shown.map(row))));
}
