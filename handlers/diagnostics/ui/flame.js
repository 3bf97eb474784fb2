/* SPDX-License-Identifier: MIT
 *
 * flame.js - one flame graph on the page, by d3-flame-graph: its colours, labels, and the keys that
 * walk over its frames.
 */
import flamegraph from "d3-flame-graph";
import { select } from "d3-selection";
import { changeOf } from "./stacks.js";

const CELL = 18;
const MIN_FRAME_PX = 1; /* more would be thousands that nobody sees */

const FIXED = { new: "#ffbe5a", gone: "#b7a3ea", same: "#dcdcdc" };

function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  }
  return (h >>> 0) / 4294967296;
}

/* Functions of one module, "module.function", have one hue. */
function plainColor(name) {
  const module = name.includes(".") ? name.slice(0, name.indexOf(".")) : name;
  const hue = 8 + 44 * hash(module);
  return `hsl(${hue.toFixed(0)} ${(72 + 16 * hash(name)).toFixed(0)}% ${(60 + 12 * hash(`${name}.`)).toFixed(0)}%)`;
}

function diffColor(data) {
  const change = changeOf(data.now, data.base);
  if (FIXED[change] !== undefined) {
    return FIXED[change];
  }
  const share = Math.abs(data.now - data.base) / Math.max(Math.abs(data.now), Math.abs(data.base));
  const light = (90 - 26 * Math.min(1, share)).toFixed(1);
  return change === "more" ? `hsl(4 ${(40 + 44 * share).toFixed(0)}% ${light}%)`
                           : `hsl(215 ${(40 + 44 * share).toFixed(0)}% ${light}%)`;
}

function colorOf(node, isDiff) {
  if (node.highlight) {
    return "#d28bff";
  }
  if (node.depth === 0) {
    return "#cfd3d8";
  }
  return isDiff ? diffColor(node.data) : plainColor(node.data.name);
}

/* drawFlame draws a tree of stacks.js into `box`.
 *
 * options: {isDiff, isIcicle, describe(data), onPoint(data or null), onOpen(data, key)}: onOpen is
 * told of keys that are for more than walking.
 * Returns {search(matches) -> share found, reset(), box}. */
export function drawFlame(box, tree, options) {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let selected = null;
  box.classList.add("flame", options.isIcicle ? "downward" : "upward");
  box.tabIndex = 0;
  box.setAttribute("role", "tree");
  box.setAttribute("aria-label", "Flame graph: arrow keys move over the frames, Enter zooms");
  const chart = flamegraph()
    .width(Math.max(320, box.clientWidth))
    .cellHeight(CELL)
    .transitionDuration(0)
    .minFrameSize(MIN_FRAME_PX)
    .inverted(options.isIcicle)
    .setLabelHandler((node) => options.describe(node.data))
    .setDetailsHandler(() => {})
    .setSearchHandler(() => {})
    .setColorMapper((node) => colorOf(node, options.isDiff))
    .onHover((node) => options.onPoint(node.data))
    .onClick((node) => mark(node));
  const frames = () => select(box).selectAll("g.frame");

  const mark = (node) => {
    selected = node;
    frames().classed("selected", (one) => one === node);
    options.onPoint(node === null ? null : node.data);
  };
  const shown = (nodes) => nodes.filter((node) => node.x1 - node.x0 > 0);
  const step = (key) => {
    const root = select(box).datum();
    if (selected === null) {
      return root;
    }
    const row = shown(selected.parent === null ? [root] : selected.parent.children);
    const at = row.indexOf(selected);
    const deeper = shown(selected.children ?? []);
    const widest = deeper.reduce((a, b) => (a === null || b.value > a.value ? b : a), null);
    const inward = options.isIcicle ? "ArrowDown" : "ArrowUp";
    if (key === "ArrowLeft" || key === "ArrowRight") {
      return row[at + (key === "ArrowLeft" ? -1 : 1)] ?? selected;
    }
    return (key === inward ? widest : selected.parent) ?? selected;
  };
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key.startsWith("Arrow")) {
      mark(step(event.key));
    } else if (event.key === "Enter" && selected !== null) {
      const node = selected;
      chart.zoomTo(node);
      mark(node);
    } else if (selected === null || !options.onOpen(selected.data, event.key)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("dblclick", () => {
    if (selected !== null) {
      options.onOpen(selected.data, "s");
    }
  });
  box.addEventListener("mouseleave", () => options.onPoint(selected === null ? null : selected.data));
  select(box).datum(tree).call(chart);
  chart.transitionDuration(isCalm ? 0 : 150); /* for zooming alone */

  return {
    box,
    selected: () => (selected === null ? null : selected.data),
    reset: () => {
      chart.resetZoom();
      mark(null);
    },
    search: (matches) => {
      chart.setSearchMatch((node) => matches !== null && node.depth > 0 && matches(node.data.name));
      chart.search("");
      const root = select(box).datum();
      let found = 0;
      const count = (node) => {
        if (node.highlight) {
          found += node.data.value;
        } else {
          (node.children ?? []).forEach(count);
        }
      };
      count(root);
      return tree.value === 0 ? 0 : found / tree.value;
    },
  };
}
