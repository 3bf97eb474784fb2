/* SPDX-License-Identifier: MIT
 *
 * stacks.js - from samples to what the views draw: filtered and grouped stacks with a value now and
 * a value in the base, and of them trees and the table of functions. It knows no page.
 */

export const GROUPS = ["none", "route", "thread", "state"];

/* How values of the base are made comparable. */
export const SCALES = ["absolute", "share", "duration"];

/* What the profiler itself takes, as a route: of a small heap it is most. */
export const PROFILER = "toq: profiler";

/* labelOf is the value of a sample's label; what the profile calls route is rpc for gRPC. */
export function labelOf(sample, key) {
  const labels = sample.labels;
  if (key === "route") {
    return labels.route ?? labels.rpc ?? (labels.toq ? `toq: ${labels.toq}` : "(no route)");
  }
  return labels[key] ?? `(no ${key})`;
}

/* labelValues lists what a label is in the profiles' samples. */
export function labelValues(profiles, key) {
  const values = new Set();
  for (const profile of profiles) {
    for (const sample of profile.samples) {
      values.add(labelOf(sample, key));
    }
  }
  return [...values].sort();
}

export function totalOf(profile, type, filter) {
  let total = 0;
  for (const sample of profile.samples) {
    total += accepts(filter, sample) ? sample.values[type] : 0;
  }
  return total;
}

/* A filter's value: a label's; "!" and a label's for all others; "" for all. */
function accepts(filter, sample) {
  return Object.entries(filter ?? {}).every(([key, value]) => value === "" || (value.startsWith("!")
    ? labelOf(sample, key) !== value.slice(1) : labelOf(sample, key) === value));
}

/* scaleFactor is what values of the base are multiplied with. */
export function scaleFactor(scale, now, base, totals) {
  if (scale === "share" && totals.base !== 0) {
    return totals.now / totals.base;
  }
  if (scale === "duration" && now.duration_s > 0 && base.duration_s > 0) {
    return now.duration_s / base.duration_s;
  }
  return 1;
}

/* The type of the same name; a profile of another kind has none. */
function typeOf(profile, wanted) {
  return profile.types.findIndex((one) => one.type === wanted.type && one.unit === wanted.unit);
}

/* makeStacks sums up the samples of `now`, and of `base` when it is not null.
 *
 * options: {type, group, filter, scale}.
 * Returns {names, stacks: [{frames, now, base}], now, base, isDiff}: frames are positions in names,
 * the outermost first; now and base are the totals. */
export function makeStacks(now, base, options) {
  const set = { names: [], files: [], stacks: [], now: 0, base: 0, isDiff: base !== null };
  const ofName = new Map();
  const ofStack = new Map();
  const nameOf = (name, file) => {
    if (!ofName.has(name)) {
      ofName.set(name, set.names.length);
      set.names.push(name);
      set.files.push(file);
    }
    return ofName.get(name);
  };
  const add = (profile, type, side, factor) => {
    const ofFunction = profile.functions.map((one) => nameOf(one.name, one.file));
    for (const sample of profile.samples) {
      if (sample.stack.length === 0 || !accepts(options.filter, sample)) {
        continue;
      }
      const frames = sample.stack.map((site) => ofFunction[profile.sites[site].fn]);
      if (options.group && options.group !== "none") {
        frames.unshift(nameOf(`${options.group} ${labelOf(sample, options.group)}`, ""));
      }
      const key = frames.join();
      let stack = ofStack.get(key);
      if (stack === undefined) {
        stack = { frames, now: 0, base: 0 };
        ofStack.set(key, stack);
        set.stacks.push(stack);
      }
      stack[side] += sample.values[type] * factor;
      set[side] += sample.values[type] * factor;
    }
  };
  add(now, options.type, "now", 1);
  if (base !== null) {
    const type = typeOf(base, now.types[options.type]);
    if (type < 0) {
      throw new Error("the two profiles are of different kinds");
    }
    const totals = { now: set.now, base: totalOf(base, type, options.filter) };
    add(base, type, "base", scaleFactor(options.scale, now, base, totals));
  }
  return set;
}

/* --- trees --- */

function makeNode(name) {
  return { name, now: 0, base: 0, value: 0, children: [], index: new Map() };
}

function addPath(root, set, frames, stack, value) {
  let node = root;
  for (let i = -1; i < frames.length; i++) {
    if (i >= 0) {
      let child = node.index.get(frames[i]);
      if (child === undefined) {
        child = makeNode(set.names[frames[i]]);
        node.index.set(frames[i], child);
        node.children.push(child);
      }
      node = child;
    }
    node.now += stack.now;
    node.base += stack.base;
    node.value += value;
  }
}

/* Wide ones first hides the order of names, which readers look for: by name. */
function finish(node) {
  node.index = null;
  node.children.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  node.children.forEach(finish);
  return node;
}

/* The width of a stack. Of two captures it is the larger one, so that frames which are in one of
 * them alone are drawn; of differences over a time, which may be negative, the size. */
function widthOf(stack) {
  return Math.max(Math.abs(stack.now), Math.abs(stack.base));
}

/* makeTree makes the tree of all stacks, from the outermost frame on. */
export function makeTree(set) {
  const root = makeNode("all");
  for (const stack of set.stacks) {
    const value = widthOf(stack);
    if (value > 0) {
      addPath(root, set, stack.frames, stack, value);
    }
  }
  return finish(root);
}

/* makeSandwich makes the two trees of one function: who calls it, and what it calls. Of a function
 * that calls itself the outermost call counts. */
export function makeSandwich(set, name) {
  const wanted = set.names.indexOf(name);
  const callers = makeNode(name);
  const callees = makeNode(name);
  for (const stack of set.stacks) {
    const at = stack.frames.indexOf(wanted);
    const value = widthOf(stack);
    if (at >= 0 && value > 0) {
      addPath(callers, set, stack.frames.slice(0, at).reverse(), stack, value);
      addPath(callees, set, stack.frames.slice(at + 1), stack, value);
    }
  }
  return { callers: finish(callers), callees: finish(callees) };
}

/* --- functions --- */

/* makeTop makes the rows of the table: what a function takes itself (flat) and with what it calls
 * (cum), now and in the base. */
export function makeTop(set) {
  const rows = set.names.map((name, i) => (
    { name, file: set.files[i], flat: 0, cum: 0, baseFlat: 0, baseCum: 0, isUsed: false }));
  for (const stack of set.stacks) {
    const leaf = rows[stack.frames[stack.frames.length - 1]];
    leaf.flat += stack.now;
    leaf.baseFlat += stack.base;
    for (const frame of new Set(stack.frames)) {
      rows[frame].isUsed = rows[frame].isUsed || stack.now !== 0 || stack.base !== 0;
      rows[frame].cum += stack.now;
      rows[frame].baseCum += stack.base;
    }
  }
  return rows.filter((row) => row.isUsed);
}

/* changeOf says what became of a frame: "new", "gone", "more", "less" or "same". */
export function changeOf(now, base) {
  if (base === 0 && now !== 0) {
    return "new";
  }
  if (now === 0 && base !== 0) {
    return "gone";
  }
  return now > base ? "more" : now < base ? "less" : "same";
}

/* makeLines sums up the lines of one function.
 *
 * Returns {lines: Map of line -> {flat, cum}, site}: the site with the most, or null. */
export function makeLines(profile, options, name) {
  const lines = new Map();
  const ofSite = new Map();
  for (const sample of profile.samples) {
    if (!accepts(options.filter, sample)) {
      continue;
    }
    const value = sample.values[options.type];
    const seen = new Set();
    sample.stack.forEach((position, i) => {
      const site = profile.sites[position];
      if (profile.functions[site.fn].name !== name) {
        return;
      }
      const line = lines.get(site.line) ?? { flat: 0, cum: 0 };
      line.flat += i === sample.stack.length - 1 ? value : 0;
      line.cum += seen.has(site.line) ? 0 : value;
      seen.add(site.line);
      lines.set(site.line, line);
      ofSite.set(position, (ofSite.get(position) ?? 0) + Math.abs(value));
    });
  }
  let best = null;
  for (const [position, value] of ofSite) {
    if (best === null || value > best.value) {
      best = { position, value };
    }
  }
  return { lines, site: best === null ? null : profile.sites[best.position] };
}
