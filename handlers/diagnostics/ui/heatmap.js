/* SPDX-License-Identifier: MIT
 *
 * heatmap.js - the CPU of the past on a canvas: a column a second, a row a route or a thread. The
 * mouse or the keys choose seconds; with Shift, those to compare with.
 */
import { make } from "./dom.js";

const ROW_PX = 14;
const ROWS_MAX = 12;
const COLUMN_MIN_PX = 2;
const COLUMN_MAX_PX = 12;

/* The busiest rows, and the rest as one. */
function pickRows(history, key) {
  const ofName = new Map();
  for (const row of history.rows) {
    const name = row[key] || `(no ${key})`;
    const cells = ofName.get(name) ?? new Array(history.seconds).fill(0);
    row.cells.forEach(([second, ms]) => { cells[second] += ms; });
    ofName.set(name, cells);
  }
  const rows = [...ofName].map(([name, cells]) => (
    { name, cells, total: cells.reduce((a, b) => a + b, 0) })).sort((a, b) => b.total - a.total);
  if (rows.length > ROWS_MAX) {
    const rest = rows.splice(ROWS_MAX - 1);
    rows.push({ name: `${rest.length} others`, total: 0,
                cells: rest[0].cells.map((_, i) => rest.reduce((sum, row) => sum + row.cells[i], 0)) });
  }
  return rows;
}

function heat(share) {
  return `hsl(${(46 - 46 * share).toFixed(0)} 90% ${(72 - 32 * share).toFixed(0)}%)`;
}

/* drawHeatmap draws {seconds, rows: [{route, thread, cells: [[second, ms]]}]}.
 *
 * parts: {box, canvas, names, now, base, tip}: elements. options: {key, onSpan(first, count, isBase),
 * textOf(second)}.
 * Returns {choose(first, count, isBase)}. */
export function drawHeatmap(parts, history, options) {
  const rows = pickRows(history, options.key);
  const columns = Math.max(1, history.seconds);
  const width = Math.max(COLUMN_MIN_PX, Math.min(COLUMN_MAX_PX, Math.floor(parts.box.clientWidth / columns)));
  const scale = window.devicePixelRatio || 1;
  const { canvas } = parts;
  const height = Math.max(1, rows.length) * ROW_PX;
  canvas.width = columns * width * scale;
  canvas.height = height * scale;
  canvas.style.width = `${columns * width}px`;
  canvas.style.height = `${height}px`;
  parts.names.replaceChildren(...rows.map((row) => make("div", { title: row.name }, row.name)));
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const most = Math.max(1, ...rows.flatMap((row) => row.cells));
  rows.forEach((row, y) => row.cells.forEach((ms, x) => {
    if (ms > 0) {
      context.fillStyle = heat(Math.min(1, ms / most));
      context.fillRect(x * width, y * ROW_PX, width > 3 ? width - 1 : width, ROW_PX - 1);
    }
  }));
  parts.box.scrollLeft = columns * width;

  const place = (element, first, count) => {
    element.hidden = false;
    element.style.left = `${first * width - 1}px`;
    element.style.width = `${count * width + 2}px`;
    element.style.height = `${height}px`;
  };
  const columnOf = (event) => Math.max(0, Math.min(columns - 1, Math.floor(
    (event.clientX - canvas.getBoundingClientRect().left) / width)));
  let from = null;
  let cursor = columns - 1;
  const span = (event) => {
    const to = columnOf(event);
    return [Math.min(from, to), Math.abs(to - from) + 1];
  };
  parts.box.onpointerdown = (event) => {
    if (event.button === 0) {
      from = columnOf(event);
      event.preventDefault();
      parts.box.focus({ preventScroll: true });
    }
  };
  parts.box.onpointermove = (event) => {
    const y = Math.floor((event.clientY - canvas.getBoundingClientRect().top) / ROW_PX);
    const row = rows[Math.max(0, Math.min(rows.length - 1, y))];
    const at = columnOf(event);
    parts.tip.textContent = row === undefined ? ""
      : `${options.textOf(at)}: ${row.name}, ${row.cells[at].toFixed(0)} ms of CPU in this second`;
    if (from !== null) {
      place(event.shiftKey ? parts.base : parts.now, ...span(event));
    }
  };
  parts.box.onpointerup = (event) => {
    if (from !== null) {
      const [first, count] = span(event);
      from = null;
      cursor = first;
      options.onSpan(first, count, event.shiftKey);
    }
  };
  parts.box.onkeydown = (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      cursor = Math.max(0, Math.min(columns - 1, cursor + (event.key === "ArrowLeft" ? -1 : 1)));
      place(event.shiftKey ? parts.base : parts.now, cursor, 1);
      parts.tip.textContent = options.textOf(cursor);
    } else if (event.key === "Enter") {
      options.onSpan(cursor, 1, event.shiftKey);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return { choose: (first, count, isBase) => place(isBase ? parts.base : parts.now, first, count) };
}
